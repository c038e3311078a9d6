"""What a document may say: each figure with what is allowed, and whether it holds."""

from regraft.core.errors import RequestError


def require(document: object, *checks: tuple[str, str, bool]) -> None:
    """Refuse the first figure of a document that it cannot have.

    Args:
        document: has the fields.
        checks: the name of a field, what is allowed as the end of a sentence, and whether its value is.

    Raises:
        RequestError: one of them is not, named, with what is allowed and what was found.
    """
    for name, allowed, holds in checks:
        if not holds:
            raise RequestError(f"expected '{name}' {allowed}, found {getattr(document, name)}")


def refuse_both(strict: bool, lenient: bool) -> None:
    """Refuse a document that is strict and lenient.

    Raises:
        RequestError: it is.
    """
    if strict and lenient:
        raise RequestError(
            "expected strict or lenient, found both: the one refuses what the other goes on without; leave one out"
        )

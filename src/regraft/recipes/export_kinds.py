"""What a finished run can be exported to, without the means: a wrong word is refused before a framework is loaded."""

from regraft.core.errors import RequestError, nearest
from regraft.recipes.tracking import TRACKERS

MODELS = ("keras", "savedmodel", "onnx")
KINDS = (*MODELS, *TRACKERS)


def known(kind: str) -> str:
    """The kind in small letters.

    Raises:
        RequestError: there is no such kind.
    """
    if kind.lower() not in KINDS:
        raise RequestError(
            f"expected one of {', '.join(KINDS)} to export to, found '{kind}'{nearest(kind.lower(), KINDS)}"
        )
    return kind.lower()

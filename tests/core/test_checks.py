"""The first figure that a document cannot have is named, with what is allowed and what was found."""

from dataclasses import dataclass

import pytest

from regraft.core.checks import require
from regraft.core.errors import RequestError
from regraft.core.plan import Plan, from_toml
from regraft.core.pretraining import Asked


@dataclass
class Document:
    epochs: int = 0
    rate: float = -1.0


def test_what_holds_passes_and_the_first_that_does_not_is_named() -> None:
    document = Document()
    require(document)
    require(document, ("epochs", "as 0 or more", True))
    with pytest.raises(RequestError, match=r"^expected 'rate' above 0, found -1\.0$"):
        require(document, ("epochs", "as 0 or more", True), ("rate", "above 0", False), ("epochs", "below 0", False))


def test_nobody_is_strict_and_lenient() -> None:
    said = r"expected strict or lenient, found both: the one refuses what the other goes on without; leave one out"
    for make in (lambda **given: Plan("a", **given), lambda **given: Asked(method="masked", **given)):
        assert make(strict=True) != make(lenient=True)
        with pytest.raises(RequestError, match=f"^{said}$"):
            make(strict=True, lenient=True)
    with pytest.raises(RequestError, match=f"^'mine.toml': {said}$"):
        from_toml('source = "a"\nstrict = true\nlenient = true\n', "'mine.toml'")

"""The first figure that a document cannot have is named, with what is allowed and what was found."""

from dataclasses import dataclass

import pytest

from regraft.core.checks import require
from regraft.core.errors import RequestError


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

"""Sizes as people write them."""

import pytest

from regraft.core.errors import RequestError
from regraft.core.sizes import parse, words


@pytest.mark.parametrize(
    ("text", "bytes_"), [("500MB", 500_000_000), ("2 gb", 2 * 10**9), ("1.5KB", 1500), (12, 12), ("7B", 7)]
)
def test_sizes(text: str | int, bytes_: int) -> None:
    assert parse(text) == bytes_


@pytest.mark.parametrize("text", ["", "MB", "-1GB", "0", "2 GiB", "many"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=f"expected a cache budget such as 500MB or 2GB, found '{text}'"):
        parse(text, "a cache budget")


def test_words() -> None:
    assert [words(size) for size in (0, 999, 1000, 45_600_000, 2e9)] == [
        "0 bytes",
        "999 bytes",
        "1 kB",
        "45.6 MB",
        "2 GB",
    ]

"""Where bytes lie under keys: a folder, anything that fsspec reaches, a database. One interface, nothing to know of."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Found:
    """What lies under a key.

    Attributes:
        key: words joined by "/".
        bytes: its size.
        touched: when it was written, or last found to be needed, in seconds since 1970; None where nobody knows.
    """

    key: str
    bytes: int
    touched: float | None


class Place(Protocol):
    """Keys with bytes under them; what is there is whole, whoever was killed while writing it.

    Every method raises `StorageError` where the place refuses: no space, no permission, no connection.
    """

    @property
    def address(self) -> str:
        """Where it is, for messages."""
        ...

    def read(self, key: str) -> bytes | None:
        """What lies under a key; None where nothing does."""
        ...

    @property
    def is_far(self) -> bool:
        """Whether an answer takes so long that several had better be waited for at once."""
        ...

    def put(self, key: str, content: bytes, durable: bool = True) -> None:
        """Write, in place of what was there; a power cut may take it where it need not be durable."""
        ...

    def put_new(self, key: str, content: bytes) -> bool:
        """Write where nothing is there; of several who write at once, one is told that it did."""
        ...

    def touch(self, key: str) -> bool:
        """Whether something lies there; its time becomes now, so that nobody takes it for left over."""
        ...

    def remove(self, key: str) -> None:
        """Remove what lies there, if anything does."""
        ...

    def keys(self, prefix: str) -> Iterator[Found]:
        """All that lies below a prefix, which ends in "/"; in no order."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...

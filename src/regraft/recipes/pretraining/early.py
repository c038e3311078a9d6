"""What can be refused before a framework is loaded."""

from pathlib import Path

from regraft.core.errors import RequestError, nearest
from regraft.data import files
from regraft.formats.folders import PRETRAINING as RECORD
from regraft.pretraining import METHODS


def refuse(method: str, data: str, labels: str | None, out: Path | None, pairs: str | None = None) -> None:
    """Refuse a request that cannot be carried out, as far as that can be told at once.

    Raises:
        RequestError: the method is unknown, a path is wrong, or the folder holds a finished pretraining.
    """
    if method not in METHODS:
        raise RequestError(f"expected a method of pretraining, found '{method}'{nearest(method, METHODS)}")
    for path in (data, labels, pairs):
        if path is not None:
            files.existing(Path(path).expanduser())
    if out is not None and (out / RECORD).exists():
        raise RequestError(f"'{out}' holds a finished pretraining; name another folder with --out")

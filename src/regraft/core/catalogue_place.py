"""Where the catalogue of models is, for whoever opens `zoo:NAME`."""

import contextlib
import os
from collections.abc import Generator

VARIABLE = "REGRAFT_ZOO"


@contextlib.contextmanager
def catalogue_at(where: str | os.PathLike[str] | None) -> Generator[None]:
    """Let the catalogue be there inside the block, also for processes that are started in it; None: where it is.

    Args:
        where: as `catalogue.open_catalogue` takes it.
    """
    if where is None:
        yield
        return
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = os.fspath(where)
    try:
        yield
    finally:
        os.environ.pop(VARIABLE)
        os.environ |= {VARIABLE: before} if before is not None else {}

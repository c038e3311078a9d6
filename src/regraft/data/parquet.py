"""Parquet files, by the library that is an extra."""

import contextlib
from collections.abc import Generator
from pathlib import Path
from typing import Any

from regraft.core.errors import DataError, RequestError

BLOCK = 4096
"""Rows that are read at once."""


@contextlib.contextmanager
def opened(path: Path) -> Generator[Any]:
    """A `pyarrow.parquet.ParquetFile`, for the block.

    Raises:
        DataError: it cannot be read; while it is read, the same.
        RequestError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise RequestError(f"reading '{path}' needs pyarrow; install it with: pip install 'regraft[parquet]'") from None
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"cannot read table '{path}': {str(error).splitlines()[0]}") from None

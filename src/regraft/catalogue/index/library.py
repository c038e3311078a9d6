"""Python's SQLite, bound to its own library.

TensorFlow carries a SQLite of its own, without full-text search, and shows its functions to whatever is loaded after
it: Python's module would call those, or, loaded before, some of the one library and some of the other. Loaded in the
way that is asked for here it keeps to the library that it was built for.
"""

import contextlib
import ctypes
import importlib.util
import os
import sys


def bind() -> None:
    """Load Python's module for SQLite so that it calls its own library, where a system can be asked for that."""
    mode: int | None = getattr(os, "RTLD_DEEPBIND", None)
    if mode is None or "_sqlite3" in sys.modules:
        return
    found = importlib.util.find_spec("_sqlite3")
    if found is not None and found.origin:
        with contextlib.suppress(OSError):
            # Python opens the same file afterwards, and gets what was loaded here.
            ctypes.CDLL(found.origin, mode=os.RTLD_NOW | mode)

"""How many threads linear algebra uses: on small products several of them only wait for each other."""

import contextlib
import functools
from collections.abc import Generator

from threadpoolctl import ThreadpoolController

THREADED_FROM = 100_000_000


@functools.cache
def _thread_pools() -> ThreadpoolController:
    return ThreadpoolController()


@contextlib.contextmanager
def threads_for(multiplications: int) -> Generator[None]:
    """Let linear algebra inside the block use one thread where an evaluation is too small to share out."""
    if multiplications >= THREADED_FROM:
        yield
        return
    with single_threaded():
        yield


@contextlib.contextmanager
def single_threaded() -> Generator[None]:
    """Let linear algebra inside the block, on all threads of the process, use one thread for each call."""
    with _thread_pools().limit(limits=1, user_api="blas"):
        yield

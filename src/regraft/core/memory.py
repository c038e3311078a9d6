"""Memory that was used and is not any more, given back to the system."""

import ctypes
import gc
import sys
from pathlib import Path

# Bytes that a process takes before it is worth looking for what nobody refers to, which takes a third of a second with
# a framework loaded. TensorFlow with a small network takes one and a half thousand million.
_WORTH = 2_000_000_000
# And bytes that it has grown by since the last look: what is still in use is looked through each time, and where much
# is, a look takes seconds.
_GROWN = 500_000_000
_PAGE = 4096

_after_the_last = 0.0


def release() -> None:
    """Collect what nobody refers to, and give freed memory back.

    The C library keeps what is freed for the next who asks. Compiling a network frees many times the size of its
    weights: after one pass of ResNet50, 94 MB of weights, 1.4 of 2.7 GB were nobody's. In a small process, and in one
    that has hardly grown, nothing is collected; giving back takes less than a millisecond there.
    """
    global _after_the_last
    collected = resident() >= max(_WORTH, _after_the_last + _GROWN)
    if collected:
        gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
    if collected:
        _after_the_last = resident()


def resident() -> float:
    """Bytes of memory that this process takes; infinite where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * _PAGE
    except (OSError, ValueError, IndexError):
        return float("inf")

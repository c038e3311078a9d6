"""Eigenvalues and eigenvectors of symmetric matrices, several at once on several processors.

SciPy's own function keeps Python's lock while LAPACK works, so that threads take turns; NumPy's lets go of it and takes
twice as long. Here LAPACK's routine is called by its address, which SciPy publishes for compiled code: the numbers are
the same, bit for bit.
"""

import ctypes
import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

_VECTORS, _LOWER = ctypes.create_string_buffer(b"V"), ctypes.create_string_buffer(b"L")
# The C types of the routine's arguments, as SciPy states them; where it states others, it is not called by address.
_SIGNATURE = b"void (char *, char *, int *, {0} *, int *, {0} *, {0} *, int *, int *, int *, int *)"
_SINGLE = b"__pyx_t_5scipy_6linalg_13cython_lapack_s"


def eigh(matrix: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Eigenvalues (n,), rising, and orthonormal eigenvectors (n, n) as columns, by divide and conquer.

    Args:
        matrix: symmetric (n, n), finite; it is not changed.

    Raises:
        numpy.linalg.LinAlgError: it did not converge.
    """
    routine = _routine()
    if routine is None or not len(matrix):
        values, vectors = linalg.eigh(matrix, driver="evd", check_finite=False)
        return values, vectors
    size = len(matrix)
    vectors = np.array(matrix, np.float32, order="F")
    values = np.empty(size, np.float32)
    work = np.empty(1 + 6 * size + 2 * size * size, np.float32)
    integers = np.empty(3 + 5 * size, np.int32)
    order, room, further, failed = (ctypes.c_int(number) for number in (size, len(work), len(integers), 0))
    routine(
        ctypes.addressof(_VECTORS),
        ctypes.addressof(_LOWER),
        ctypes.addressof(order),
        vectors.ctypes.data,
        ctypes.addressof(order),
        values.ctypes.data,
        work.ctypes.data,
        ctypes.addressof(room),
        integers.ctypes.data,
        ctypes.addressof(further),
        ctypes.addressof(failed),
    )
    if failed.value:
        raise np.linalg.LinAlgError(f"expected eigenvalues of a matrix of order {size}, LAPACK says {failed.value}")
    return values, vectors


@functools.cache
def _routine() -> Callable[..., None] | None:
    """LAPACK's `ssyevd`; None where this SciPy does not say where it is, or describes it otherwise."""
    published: dict[str, Any] = getattr(importlib.import_module("scipy.linalg.cython_lapack"), "__pyx_capi__", {})
    capsule = published.get("ssyevd")
    if capsule is None:
        return None
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    name: bytes = name_of(capsule)
    if name != _SIGNATURE.replace(b"{0}", _SINGLE):
        return None
    address_of = ctypes.pythonapi.PyCapsule_GetPointer
    address_of.restype, address_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 11)(address_of(capsule, name))

"""Stand-ins for NumPy's arrays and Python's own containers in pickles: what `numpy.ndarray.__reduce__` writes, as data.

Kept are pickles of Python 2 and 3, of NumPy 1 and 2, and Theano's arrays of GPUs, which are NumPy's inside.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from regraft.core.errors import CorruptFileError
from regraft.core.tensors import TensorEntry
from regraft.formats import elements
from regraft.formats.pickled_values import Stand, Text

_NUMBERS = re.compile(r"[<>|=]?([biufc?])(\d{0,2})$")
# How the bytes of brain floats are labelled by a NumPy that has not heard of them.
_BRAIN_FLOAT = re.compile(r"[<>|=]?(bfloat16|V2)$")


@dataclass(slots=True, eq=False)
class DType:
    """NumPy's type of elements.

    Attributes:
        code: such as `f4`; `O` for objects.
        little: whether the least significant byte comes first.
        plain: False where elements have parts of their own.
    """

    code: str
    little: bool = True
    plain: bool = True

    def fill(self, state: tuple[Any, ...]) -> None:
        """Take what `numpy.dtype.__reduce__` gives: version, byte order, parts."""
        self.little = _text(state[1]) != ">"
        self.plain = state[2] is None and state[3] is None

    def name(self) -> str | None:
        """NumPy's name of the type; None where the elements are no numbers."""
        return numeric(self.code) if self.plain else None


@dataclass(slots=True, eq=False)
class Array:
    """A NumPy array at rest.

    Attributes:
        shape: of the array.
        dtype: of its elements.
        fortran: whether the first axis runs fastest.
        data: bytes, `Text` that stands for them, or a list of objects.
    """

    shape: tuple[int, ...] = ()
    dtype: DType = field(default_factory=lambda: DType("b1"))
    fortran: bool = False
    data: Any = b""

    def fill(self, state: tuple[Any, ...]) -> None:
        """Take what `numpy.ndarray.__reduce__` gives: version, shape, type, order, data."""
        shape, dtype, fortran, data = state[-4:]
        if not isinstance(dtype, DType):
            raise TypeError("an array's type is no type")
        self.shape, self.dtype = elements.checked_shape(shape, "an array"), dtype
        self.fortran, self.data = bool(fortran), data

    def objects(self) -> list[Any] | None:
        """What an array of objects holds; None for any other."""
        if not isinstance(self.data, list) or self.dtype.code[:1] != "O":
            return None
        return cast(list[Any], self.data)


def numeric(code: str) -> str | None:
    """NumPy's name of a type by its code; None where elements are no numbers.

    >>> numeric("<f4"), numeric("|O"), numeric("i8"), numeric("|V2")
    ('float32', None, 'int64', 'bfloat16')
    """
    if _BRAIN_FLOAT.match(code):
        return "bfloat16"
    try:
        return np.dtype(code).name if _NUMBERS.match(code) else None
    except TypeError:
        return None


def entry(path: Path, name: str, array: Array) -> TensorEntry | None:
    """The tensor in an array at rest; None where its elements are no numbers.

    Raises:
        CorruptFileError: it claims more than is stored.
    """
    dtype = array.dtype.name()
    if dtype is None:
        return None
    size = elements.bytes_of(array.shape, dtype)
    data = array.data
    fits = data.could_be(size) if isinstance(data, Text) else isinstance(data, bytes) and len(data) == size
    if not fits:
        raise CorruptFileError(
            f"'{path}': array '{name}' of shape {array.shape} and type {dtype} claims {size} bytes, "
            f"{_stored(data)} are stored; get the file again"
        )
    return elements.dense(
        path, name, array.shape, dtype, lambda: _bytes(data), fortran=array.fortran, little=array.dtype.little
    )


def _stored(data: Any) -> object:
    if isinstance(data, Text):
        return data.extent.size
    return len(data) if isinstance(data, bytes) else "none"


def _bytes(data: Any) -> bytes:
    content = data.decoded() if isinstance(data, Text) else data
    return content if isinstance(content, bytes) else str(content).encode("latin-1")


def _text(value: Any) -> str:
    """Names that Python 2 wrote as bytes."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if not isinstance(value, str):
        raise TypeError("expected text")
    return value


def _reconstruct(kind: Any, shape: Any, code: Any) -> Array:
    return Array()


def _dtype(code: Any, *settings: Any) -> DType:
    return DType(_text(code))


def _scalar(dtype: DType, data: Any) -> Array:
    return Array((), dtype, False, data)


def _from_buffer(data: Any, dtype: DType, shape: Any, order: Any) -> Array:
    array = Array()
    array.fill((1, shape, dtype, order == "F", data))
    return array


def _encoded(text: Any, coding: Any = "latin1") -> Any:
    """Bytes as protocols 0 to 2 of Python 3 write them."""
    if _text(coding) not in ("latin1", "latin-1"):
        raise ValueError("expected latin1")
    return Text(text.extent, text.coding, packed=True) if isinstance(text, Text) else _text(text).encode("latin-1")


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    return dict(_pair(pair) for pair in pairs) if not isinstance(pairs, dict) else dict(cast(dict[Any, Any], pairs))


def _pair(pair: Any) -> tuple[Any, Any]:
    key, value = pair
    if not isinstance(key, (str, bytes, int)):
        raise TypeError("expected a plain key")
    return key, value


def _default(factory: Any = None, *pairs: Any) -> dict[Any, Any]:
    return _ordered(*pairs)


def _listed(items: Any = (), *settings: Any) -> list[Any]:
    if not isinstance(items, (list, tuple)):
        raise TypeError("expected a list")
    return list(cast(list[Any], items))


def _same(value: Any, *settings: Any) -> Any:
    return value


def no_call(*arguments: Any) -> Any:
    """For names that pickles mention and never call."""
    raise TypeError("a type is not called")


def _empty_bytes(*arguments: Any) -> bytes:
    if arguments and not (len(arguments) == 2 and arguments[1] == "latin1"):
        raise TypeError("expected no bytes or text")
    return str(arguments[0]).encode("latin-1") if arguments else b""


def _real_path(*parts: Any) -> str:
    return "/".join(_text(part) for part in parts)


def _named(modules: str, *names: str) -> list[str]:
    return [f"{module}.{name}" for module in modules.split() for name in names]


def _table() -> dict[str, Stand]:
    rows: list[tuple[list[str], Callable[..., Any]]] = [
        (_named("numpy.core.multiarray numpy._core.multiarray", "_reconstruct"), _reconstruct),
        (_named("numpy.core.multiarray numpy._core.multiarray", "scalar"), _scalar),
        (_named("numpy.core.numeric numpy._core.numeric", "_frombuffer"), _from_buffer),
        (_named("numpy", "dtype"), _dtype),
        (_named("numpy", "ndarray", "matrix"), no_call),
        (_named("numpy.core.memmap numpy._core.memmap", "memmap"), no_call),
        (_named("numpy.matrixlib.defmatrix", "matrix"), no_call),
        (_named("_codecs", "encode"), _encoded),
        (_named("collections", "OrderedDict"), _ordered),
        (_named("collections", "defaultdict"), _default),
        (_named("collections", "deque"), _listed),
        (_named("builtins __builtin__", "list", "tuple", "set", "frozenset"), _listed),
        (_named("builtins __builtin__", "dict"), _ordered),
        (_named("builtins __builtin__", "int", "float", "str", "bool", "object", "complex"), no_call),
        (_named("builtins __builtin__", "bytes", "bytearray"), _empty_bytes),
        (_named("copyreg copy_reg", "_reconstructor"), no_call),
        (_named("pathlib pathlib._local", "PosixPath", "WindowsPath", "PurePosixPath"), _real_path),
        (_named("theano.sandbox.cuda.type", "CudaNdarray_unpickler"), _same),
        (_named("theano.gpuarray.type", "GpuArray_unpickler"), _same),
    ]
    return {name: stand for names, stand in rows for name in names}


ARRAYS: dict[str, Stand] = _table()

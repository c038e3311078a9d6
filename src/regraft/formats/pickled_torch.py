"""Stand-ins for PyTorch's tensors and modules in pickles: what `torch.save` writes, as data."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from regraft.formats import elements
from regraft.formats.pickled_arrays import ARRAYS, no_call
from regraft.formats.pickled_values import Name, Object, Stand, Text

STORAGES: Mapping[str, str | None] = {
    "DoubleStorage": "float64",
    "FloatStorage": "float32",
    "HalfStorage": "float16",
    "BFloat16Storage": "bfloat16",
    "LongStorage": "int64",
    "IntStorage": "int32",
    "ShortStorage": "int16",
    "CharStorage": "int8",
    "ByteStorage": "uint8",
    "BoolStorage": "bool",
    "ComplexFloatStorage": "complex64",
    "ComplexDoubleStorage": "complex128",
    "QInt8Storage": "int8",
    "QUInt8Storage": "uint8",
    "QInt32Storage": "int32",
    "UntypedStorage": None,
}
_DTYPES = {
    **{name: name for name in ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")},
    **{name: name for name in ("uint16", "uint32", "uint64", "complex64", "complex128", *elements.SIZES)},
    "half": "float16",
    "float": "float32",
    "double": "float64",
    "short": "int16",
    "int": "int32",
    "long": "int64",
}


@dataclass(frozen=True, slots=True)
class Storage:
    """A stretch of numbers kept outside of the pickle.

    Attributes:
        key: what it is called there.
        dtype: NumPy's name of the type; None where the tensors say it.
        count: of elements; of bytes where there is no type.
        start: the first element, where it is a view of the storage.
    """

    key: str
    dtype: str | None
    count: int
    start: int = 0

    def size(self) -> int:
        """In bytes."""
        return self.count * (elements.itemsize(self.dtype) if self.dtype else 1)


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor at rest: a view of a storage, or of the array or the nested file `source`."""

    source: Any
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A tensor of a kind that has no plain array, such as a sparse one."""

    kind: str


@dataclass(frozen=True, slots=True)
class NestedFile:
    """A storage that was pickled by itself: a whole PyTorch file as a string of bytes."""

    content: Text | bytes


def storage(kind: Any, key: Any, count: Any, view: Any = None) -> Storage:
    """The storage that a persistent id of PyTorch names.

    Args:
        kind: the class of the storage, as a `Name`.
        key: what it is called in the file.
        count: of elements.
        view: in the legacy format, what part of it is meant: key, offset, elements.
    """
    if not isinstance(kind, Name) or kind.name not in STORAGES:
        raise TypeError("no storage")
    key = key.decode("ascii") if isinstance(key, bytes) else str(key)
    start, count = (_count(view[1]), _count(view[2])) if view else (0, _count(count))
    return Storage(key, STORAGES[kind.name], count, start)


def _count(value: Any) -> int:
    if not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise TypeError("no count")
    return value


def _dtype(name: Any) -> str:
    if not isinstance(name, Name) or name.module != "torch":
        raise TypeError("no type")
    return _DTYPES[name.name]


def _tensor(source: Any, offset: Any, size: Any, stride: Any, *settings: Any) -> Tensor:
    if not isinstance(source, (Storage, NestedFile)):
        raise TypeError("no storage")
    # The type of a nested file's storage stands inside it.
    dtype = source.dtype if isinstance(source, Storage) else ""
    if dtype is None:
        raise TypeError("a storage without a type")
    return _view(source, offset, size, stride, dtype)


def _typed_tensor(
    source: Any, offset: Any, size: Any, stride: Any, requires_grad: Any, hooks: Any, dtype: Any, *settings: Any
) -> Tensor:
    return _view(source, offset, size, stride, _dtype(dtype))


def _view(source: Any, offset: Any, size: Any, stride: Any, dtype: str) -> Tensor:
    shape = elements.checked_shape(tuple(size), "a tensor")
    strides = tuple(_count(step) for step in stride)
    if len(shape) != len(strides):
        raise TypeError("strides of another tensor")
    return Tensor(source, _count(offset), shape, strides, dtype)


def _quantized(source: Any, offset: Any, size: Any, stride: Any, *settings: Any) -> Any:
    return Unreadable("a quantized tensor")


def _of_type(function: Any, kind: Any, arguments: Any, state: Any) -> Any:
    """A tensor of a subclass: the class adds nothing to its values."""
    return TORCH[str(function)](*arguments)


def _first(value: Any, *settings: Any) -> Any:
    return value


def _parameter(data: Any = None, *settings: Any) -> Any:
    return data


def _legacy_storage(content: Any) -> NestedFile:
    if not isinstance(content, (Text, bytes)):
        raise TypeError("no bytes")
    return NestedFile(content)


def _sparse(*arguments: Any) -> Unreadable:
    return Unreadable("a sparse tensor")


def _meta(*arguments: Any) -> Unreadable:
    return Unreadable("a tensor without values (meta)")


def _nested(*arguments: Any) -> Unreadable:
    return Unreadable("a nested tensor")


def _described(*arguments: Any) -> str:
    return ":".join(str(item) for item in arguments if isinstance(item, (str, int)))


def _size(items: Any = ()) -> tuple[int, ...]:
    return elements.checked_shape(tuple(items), "a tensor")


def _table() -> dict[str, Stand]:
    table: dict[str, Stand] = {
        "torch._utils._rebuild_tensor": _tensor,
        "torch._utils._rebuild_tensor_v2": _tensor,
        "torch._utils._rebuild_tensor_v3": _typed_tensor,
        "torch._utils._rebuild_parameter": _parameter,
        "torch._utils._rebuild_parameter_with_state": _parameter,
        "torch._tensor._rebuild_from_type_v2": _of_type,
        "torch._tensor._rebuild_from_type": _of_type,
        "torch._utils._rebuild_qtensor": _quantized,
        "torch._utils._rebuild_sparse_tensor": _sparse,
        "torch._utils._rebuild_sparse_csr_tensor": _sparse,
        "torch._utils._rebuild_nested_tensor": _nested,
        "torch._utils._rebuild_meta_tensor_no_storage": _meta,
        "torch._utils._rebuild_device_tensor_from_numpy": _first,
        "torch._utils._rebuild_device_tensor_from_cpu_tensor": _first,
        "torch.storage._load_from_bytes": _legacy_storage,
        "torch.serialization._get_layout": _described,
        "torch.Size": _size,
        "torch.device": _described,
        "torch.nn.parameter.Parameter": _parameter,
        "torch.nn.parameter.Buffer": _parameter,
        "torch.nn.Parameter": _parameter,
        "torch.Tensor": no_call,
        "torch._C._TensorBase": no_call,
        "torch.autograd.variable.Variable": no_call,
        "torch.jit._pickle.restore_type_tag": _first,
        **{f"torch.jit._pickle.build_{kind}list": _first for kind in ("int", "double", "bool", "tensor")},
        **{f"torch.{name}": no_call for name in _DTYPES},
        **{f"torch.{name.removesuffix('Storage')}Tensor": no_call for name in STORAGES},
        **{f"torch.cuda.{name.removesuffix('Storage')}Tensor": no_call for name in STORAGES},
        **{f"{module}.{name}": no_call for module in ("torch", "torch.cuda", "torch.storage") for name in STORAGES},
        **{f"torch.{name}": no_call for name in ("contiguous_format", "channels_last", "preserve_format", "strided")},
        **{f"torch.{name}": no_call for name in ("per_tensor_affine", "per_channel_affine", "per_tensor_symmetric")},
    }
    return {**ARRAYS, **table}


TORCH: dict[str, Stand] = _table()


def state_of_module(value: Any) -> Mapping[str, Any] | None:
    """What a pickled `torch.nn.Module` was filled with; None where the value is none."""
    if not isinstance(value, Object) or not isinstance(value.state, dict):
        return None
    state = cast(dict[str, Any], value.state)
    return state if {"_parameters", "_modules"} <= set(state) else None


def children(state: Mapping[str, Any], kind: str) -> Mapping[Any, Any]:
    """The parameters, buffers or modules of a module."""
    found = state.get(kind)
    return cast(dict[Any, Any], found) if isinstance(found, dict) else {}

"""How a configuration of Keras 1 or 2 says that a layer is called: references to tensors among plain arguments."""

from collections.abc import Callable, Mapping
from typing import Any, cast

# Where a tensor is made: layer, number of its call, position in what it returns.
Reference = tuple[str, int, int]
_CONSTANT = "_CONSTANT_VALUE"


def arguments(node: Any, find: Callable[[Reference], Any], known: Callable[[str], bool]) -> tuple[Any, dict[str, Any]]:
    """What one call is given.

    Args:
        node: the call, as one of a layer's `inbound_nodes`.
        find: the tensor for a reference.
        known: whether a name is that of a layer of the model.

    Returns:
        The first argument (a tensor, or a list or dictionary of tensors) and the others by name.
    """
    reader = _Reader(find, known)
    if isinstance(node, list) and not reader.is_reference(node):
        items = cast("list[Any]", node)
        values = [reader.value(item) for item in items]
        named = next((reader.named(item) for item in items if len(item) > 3), {})
        return (values[0] if len(values) == 1 else values), named
    return reader.value(node), reader.named(node) if isinstance(node, list) else {}


class _Reader:
    def __init__(self, find: Callable[[Reference], Any], known: Callable[[str], bool]) -> None:
        self.find, self.known = find, known

    def is_reference(self, value: Any) -> bool:
        items = cast("list[Any]", value) if isinstance(value, list) else []
        if len(items) not in (3, 4) or not isinstance(items[0], str):
            return False
        whole = isinstance(items[1], int) and (isinstance(items[2], int) or items[0] == _CONSTANT)
        return whole and (items[0] == _CONSTANT or self.known(items[0]))

    def value(self, value: Any) -> Any:
        """A plain value with the tensors that it refers to in their places."""
        if self.is_reference(value):
            if value[0] == _CONSTANT:
                return value[2]
            return self.find((str(value[0]), int(value[1]), int(value[2])))
        if isinstance(value, list):
            return [self.value(item) for item in cast("list[Any]", value)]
        if isinstance(value, Mapping):
            return self._mapping(cast(Mapping[str, Any], value))
        return value

    def named(self, reference: Any) -> dict[str, Any]:
        """The arguments that stand behind a reference."""
        more = reference[3] if self.is_reference(reference) and len(reference) > 3 else {}
        return {str(key): self.value(item) for key, item in more.items()}

    def _mapping(self, value: Mapping[str, Any]) -> Any:
        if set(value) == {"start", "stop", "step"}:
            return slice(*(self.value(value[key]) for key in ("start", "stop", "step")))
        kind = value.get("class_name")
        if kind == "__ellipsis__":
            return Ellipsis
        if kind in ("__tuple__", "TensorShape"):
            return [self.value(item) for item in value.get("items", ())]
        if kind == "__keras_tensor__":
            name, call, position = value["config"]["keras_history"]
            return self.find((str(name), int(call), int(position)))
        return {key: self.value(item) for key, item in value.items()}

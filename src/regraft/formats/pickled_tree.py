"""What a pickle holds, leaf by leaf: arrays and tensors, with the way to them through containers and modules."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, cast

from regraft.core.errors import SourceError
from regraft.formats.pickled_arrays import Array
from regraft.formats.pickled_torch import NestedFile, Storage, Tensor, Unreadable, children, state_of_module
from regraft.formats.pickled_values import Object, is_plain

_DEEPEST = 100
_MOST = 500_000


@dataclass(frozen=True, slots=True)
class Leaf:
    """A value that holds no others.

    Attributes:
        place: the keys on the way to it; those of modules are joined by dots.
        value: an array, a tensor, a plain value, or the dictionary of an optimizer.
        buffer: whether it is a module's buffer, which no optimizer changes.
    """

    place: tuple[str, ...]
    value: Any
    buffer: bool = False

    @property
    def holds_numbers(self) -> bool:
        """Whether it is an array or a tensor."""
        return isinstance(self.value, (Array, Tensor, Unreadable))


def leaves(value: Any, path: Path) -> list[Leaf]:
    """All leaves, in the order of the file.

    A container that is met twice is gone through twice, as two names for one layer are two names; a file that makes
    millions of a few containers inside each other is refused, and so is one that puts a container into itself.

    Args:
        value: as `unpickled` gives it.
        path: the file, for messages.

    Raises:
        SourceError: the values are nested too deeply, or too many.
    """
    found: list[Leaf] = []
    waiting = [_Step(value, ())]
    for _ in range(_MOST):
        if not waiting:
            return found
        step = waiting.pop()
        inside = _inside(step)
        if inside is None:
            found.append(Leaf(step.place, step.value, step.buffer))
        elif step.depth < _DEEPEST:
            waiting.extend(reversed(inside))
        else:
            break
    raise SourceError(
        f"'{path}' holds values nested more than {_DEEPEST} deep or more than {_MOST} of them; "
        "expected the tensors of a network; save the state dict alone"
    )


class _Step(NamedTuple):
    """A value to be looked into; `prefix` is the path through modules that the names of its tensors begin with."""

    value: Any
    place: tuple[str, ...]
    prefix: str = ""
    buffer: bool = False
    depth: int = 0


def _inside(step: _Step) -> list[_Step] | None:
    """What a value holds; None where it is a leaf."""
    value, place, depth = step.value, step.place, step.depth + 1
    module = state_of_module(value)
    if module is not None:
        return _in_module(module, step)
    if isinstance(value, Array) and (items := value.objects()) is not None:
        # An array of objects without axes is the object itself.
        value = items[0] if value.shape == () and len(items) == 1 else items
        return [_Step(value, place, depth=depth)]
    if isinstance(value, dict) and not is_optimizer(value):
        pairs = cast(dict[Any, Any], value).items()
        if place and all(is_plain(item) for _, item in pairs):
            return None
        return [_Step(item, (*place, _key(key)), depth=depth) for key, item in pairs]
    if isinstance(value, (list, tuple)):
        items = cast(list[Any], value)
        if all(map(is_plain, items)):
            return None
        return [_Step(item, (*place, str(number)), depth=depth) for number, item in enumerate(items)]
    return None


def _in_module(state: Mapping[str, Any], step: _Step) -> list[_Step]:
    """Parameters and buffers under the names that `state_dict` would give them, then the modules inside."""
    passing = state.get("_non_persistent_buffers_set")
    left_out = set(cast(list[Any], passing)) if isinstance(passing, list) else set[Any]()
    found: list[_Step] = []
    for kind in ("_parameters", "_buffers"):
        for name, item in children(state, kind).items():
            if item is not None and name not in left_out:
                place = (*step.place, step.prefix + _key(name))
                found.append(_Step(item, place, "", kind == "_buffers", step.depth + 1))
    for name, item in children(state, "_modules").items():
        if item is not None:
            found.append(_Step(item, step.place, f"{step.prefix}{_key(name)}.", False, step.depth + 1))
    return found


def kinds_of_modules(value: Any, path: Path, prefix: str = "", depth: int = 0) -> dict[str, str]:
    """The classes of a pickled module and of those in it, by name; the outermost is called by the empty name."""
    state = state_of_module(value)
    if state is None or depth > _DEEPEST:
        return {}
    found = {prefix: str(cast(Object, value).kind)}
    for name, item in children(state, "_modules").items():
        found |= kinds_of_modules(item, path, f"{prefix}.{_key(name)}".lstrip("."), depth + 1)
        if len(found) > _MOST:
            break
    return found


def is_optimizer(value: Any) -> bool:
    """Whether a dictionary is the state of one of PyTorch's optimizers."""
    return isinstance(value, dict) and {"state", "param_groups"} <= set(cast(dict[Any, Any], value))


def is_bare(value: Any) -> bool:
    """Whether a value is a storage without a tensor around it."""
    return isinstance(value, (Storage, NestedFile))


def _key(key: Any) -> str:
    """A key as a part of a name; Python 2 wrote names as bytes."""
    if isinstance(key, bytes):
        return key.decode("utf-8", "replace")
    return ",".join(map(_key, cast(tuple[Any, ...], key))) if isinstance(key, tuple) else str(key)

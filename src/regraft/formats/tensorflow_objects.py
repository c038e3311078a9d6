"""Object-based checkpoints of TensorFlow 2: which stored tensor is which variable of which object.

Keys are paths through Python objects (`layer_with_weights-0/kernel`); the graph of objects beside them knows the
variables' own names (`dense/kernel`) and which slot belongs to which variable. The layout:
tensorflow/core/protobuf/trackable_object_graph.proto
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from regraft.core.tensors import OptimizerEntry, SlotEntry, TensorEntry
from regraft.formats.tensorflow_bundle import Kept
from regraft.formats.tensorflow_optimizer import (
    class_name,
    counted,
    powers_in,
    scalar,
    slot_entry,
    steps_taken,
    told_by_slots,
)
from regraft.formats.wire import Message

KEY = "_CHECKPOINTABLE_OBJECT_GRAPH"

_VALUE = "VARIABLE_VALUE"
_END = "/.ATTRIBUTES/" + _VALUE
_NUMBER = re.compile(r"-(\d+)(?=/)")
_OWN, _MODEL = "_variables", "_trainable_variables"


@dataclass(frozen=True, slots=True)
class Named:
    """A checkpoint by the names of its variables.

    Attributes:
        tensors: by name, slots and the optimizer's settings left out.
        optimizer: its state; None where there is none.
        objects: where each tensor is in the graph of objects, by its name.
        warnings: what one should know about the names.
    """

    tensors: dict[str, TensorEntry]
    optimizer: OptimizerEntry | None
    objects: dict[str, str]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Node:
    children: tuple[tuple[str, int], ...]
    key: str | None
    full_name: str
    slots: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class _Slot:
    slot: str
    variable: str | None
    key: str


def named(graph: bytes, kept: Mapping[str, Kept]) -> Named:
    """Give the tensors of an object-based checkpoint the names of their variables.

    Args:
        graph: what is stored under `KEY`.
        kept: all tensors by key.

    Raises:
        ValueError: the graph is damaged.
    """
    nodes = [_node(message, kept) for message in Message(graph).messages(1)]
    names, warnings = _names(nodes, kept)
    optimizers = _optimizers(nodes)
    slots = list(_slots(nodes, optimizers, names, kept))
    settings = _settings(nodes, optimizers, names) - {slot.key for slot in slots}
    apart = settings | {slot.key for slot in slots}
    shown = {key: names[key] for key in _from_below(names) if key not in apart}
    tensors = {name: _renamed(kept[key].entry, name) for key, name in shown.items()}
    others = [key for key in kept if key != KEY and key not in names and key not in _duplicates(nodes, kept)]
    tensors |= {key: kept[key].entry for key in others}
    entry = _entry(nodes, slots, settings, kept) if optimizers and apart else None
    return Named(tensors, entry, {name: key.removesuffix(_END) for key, name in shown.items()}, warnings)


def _from_below(keys: Iterable[str]) -> list[str]:
    """Keys in the order of Keras' layers, which are numbered; where the way leads through an optimizer, as they are."""
    keys = list(keys)
    if any(_MODEL in key for key in keys):
        return keys
    return sorted(keys, key=lambda key: [int(number) for number in _NUMBER.findall(key.rpartition("/.ATTR")[0])])


def _renamed(entry: TensorEntry, name: str) -> TensorEntry:
    return TensorEntry(name, entry.shape, entry.dtype, entry.read)


def _node(message: Message, kept: Mapping[str, Kept]) -> _Node:
    values = [item for item in message.messages(2) if item.text(1) == _VALUE and item.text(3) in kept]
    key, full_name = (values[0].text(3), values[0].text(2)) if values else (None, "")
    children = tuple((child.text(2), child.integer(1)) for child in message.messages(1))
    slots = tuple((item.text(2), item.integer(1), item.integer(3)) for item in message.messages(3))
    return _Node(children, key, full_name.removesuffix(":0"), slots)


def _duplicates(nodes: list[_Node], kept: Mapping[str, Kept]) -> set[str]:
    """Keys under which a variable is stored once more: Keras' exported models list their variables twice."""
    seen: set[tuple[object, ...]] = set()
    again: set[str] = set()
    for node in nodes:
        if node.key is not None and node.full_name:
            entry = kept[node.key].entry
            mark = (node.full_name, entry.shape, entry.dtype, kept[node.key].checksum)
            if mark in seen:
                again.add(node.key)
            seen.add(mark)
    return again


def _names(nodes: list[_Node], kept: Mapping[str, Kept]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The name of every variable by its key: its own if all are different, else its path through the objects."""
    again = _duplicates(nodes, kept)
    keyed = {node.key: node.full_name for node in nodes if node.key is not None and node.key not in again}
    full = list(keyed.values())
    if all(full) and len(set(full)) == len(full) and not set(full) & set(kept):
        return keyed, ()
    twice = sorted({name for name in full if full.count(name) > 1})
    paths = {key: key.removesuffix(_END) for key in keyed}
    said = f"{len(twice)} names such as '{twice[0]}' stand for several variables" if twice else "variables lack names"
    return paths, (f"{said}; all are named by their place among the objects",)


def _optimizers(nodes: list[_Node]) -> list[int]:
    found = {child for node in nodes for name, child in node.children if name.strip("_") == "optimizer"}
    found |= {number for number, node in enumerate(nodes) if node.slots}
    return sorted(number for number in found if 0 <= number < len(nodes))


def _at(nodes: list[_Node], number: int) -> _Node:
    if not 0 <= number < len(nodes):
        raise ValueError(f"object {number} of {len(nodes)}")
    return nodes[number]


def _slots(
    nodes: list[_Node], optimizers: list[int], names: Mapping[str, str], kept: Mapping[str, Kept]
) -> Iterator[_Slot]:
    for number in optimizers:
        optimizer = nodes[number]
        for slot, original, stored in optimizer.slots:
            key, variable = _at(nodes, stored).key, names.get(_at(nodes, original).key or "")
            if key is not None:
                yield _Slot(slot, variable, key)
        yield from _slots_of_keras(nodes, optimizer, names, kept)


def _slots_of_keras(
    nodes: list[_Node], optimizer: _Node, names: Mapping[str, str], kept: Mapping[str, Kept]
) -> Iterator[_Slot]:
    """Keras 2.11 and later: lists of slots, each in the order of the variables that learn."""
    lists = {name: [_at(nodes, child) for _, child in _at(nodes, place).children] for name, place in optimizer.children}
    learning = lists.get(_MODEL, [])
    by_name = {node.full_name: node for node in nodes if node.key in names}
    done: set[str | None] = {None}
    for name, stored in lists.items():
        if name in (_OWN, _MODEL):
            continue
        for place, node in enumerate(stored):
            variable = learning[place] if place < len(learning) else by_name.get(_told(node.full_name))
            if node.key in done or variable is None or variable.key is None or node.key is None:
                continue
            if kept[node.key].entry.shape == kept[variable.key].entry.shape:
                done.add(node.key)
                yield _Slot(_slot_name(name, node, variable), names.get(variable.key), node.key)


def _told(full_name: str) -> str:
    """The variable in the name of a slot of Keras 2.11 to 2.15: `Adam/m/dense/kernel`."""
    return full_name.partition("/")[2].partition("/")[2]


def _slot_name(listed: str, slot: _Node, variable: _Node) -> str:
    """`momentum` for Keras 3's `adam/dense_kernel_momentum`, `m` for `Adam/m/dense/kernel`, else the list's name."""
    _, _, own = slot.full_name.partition("/")
    flat = variable.full_name.replace("/", "_") + "_"
    if own.startswith(flat):
        return own.removeprefix(flat)
    return own.partition("/")[0] if own.endswith("/" + variable.full_name) else listed.strip("_")


def _settings(nodes: list[_Node], optimizers: list[int], names: Mapping[str, str]) -> set[str]:
    """The keys of what belongs to an optimizer and to none of its variables."""
    own: set[str] = set()
    for number in optimizers:
        direct = [nodes[number], *(_at(nodes, child) for name, child in nodes[number].children if name == _OWN)]
        keys = [_at(nodes, child).key for node in direct for _, child in node.children]
        own |= names.keys() & set(keys)
    return own


def _of_slots(nodes: list[_Node], slots: list[_Slot]) -> str:
    """The optimizer in the names of its slots, as Keras 2.11 and later has it: `Adam/m/dense/kernel`."""
    full = {node.key: node.full_name for node in nodes}
    told = (full.get(item.key, "") for item in slots if item.variable and _ends(full.get(item.key, ""), item.variable))
    return next((name.partition("/")[0] for name in told), "unknown")


def _ends(full_name: str, variable: str) -> bool:
    return full_name.count("/") > variable.count("/") + 1 and full_name.endswith(f"/{variable}")


def _entry(nodes: list[_Node], slots: list[_Slot], settings: set[str], kept: Mapping[str, Kept]) -> OptimizerEntry:
    entries: list[SlotEntry] = [slot_entry(item.slot, item.variable, kept[item.key].entry) for item in slots]
    own = {node.key: node.full_name for node in nodes if node.key in settings}
    config: dict[str, float] = {}
    for key in own:
        tensor, name = kept[key].entry, key.removesuffix(_END).rpartition("/")[2].strip("_")
        if tensor.shape or "int" in tensor.dtype:
            continue
        config[name] = scalar(tensor)
    arrays = [kept[key].entry for key in own if kept[key].entry.shape]
    entries += [slot_entry(entry.name.removesuffix(_END), None, entry) for entry in arrays]
    stated = next((name.partition("/")[0] for name in own.values() if "/" in name), _of_slots(nodes, slots))
    iterations = steps_taken(kept[key].entry for key in own)
    # The optimizers of `tf.train` keep no settings under their own name, and no count of steps.
    former = told_by_slots(item.slot for item in slots) if stated == "unknown" and iterations is None else ""
    powers = powers_in(config)
    iterations = counted(powers) if iterations is None and powers is not None else iterations
    return OptimizerEntry(class_name(former or stated), config, iterations, tuple(entries), former)

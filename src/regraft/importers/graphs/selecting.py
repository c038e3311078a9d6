"""A part of a foreign graph between values that the user names, instead of the ends that the file states."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from regraft import formats
from regraft.core.errors import SourceError, nearest
from regraft.core.tensors import Operation, OperationGraph, TensorArchive, flat
from regraft.importers.graphs import build, tensorflow
from regraft.importers.graphs.neutral import Graph, Input, Node
from regraft.importers.graphs.tensorflow_patterns import Patterns, answers
from regraft.importers.graphs.values import BATCH, Live
from regraft.importers.pretrained import Ends

_FEEDS = ("Placeholder", "PlaceholderV2")


def neutral(archive: TensorArchive, table: Callable[[TensorArchive], Graph], chosen: Ends, where: str) -> Graph:
    """The part of the network in an archive, in neutral words.

    Args:
        archive: of a format that holds a graph.
        table: of the format.
        chosen: the ends.
        where: the file, for messages.

    Raises:
        SourceError: a name is not known, the part needs more than it is given, or a shape is not known.
    """
    if archive.format in tensorflow.FORMATS:
        return _of_tensorflow(archive, chosen, where)
    if chosen.signature:
        raise SourceError(f"expected a signature only for a SavedModel, found '{chosen.signature}' for '{where}'")
    whole = table(archive)
    names = _Names([(node.name, node.outputs) for node in whole.nodes], [item.name for item in whole.inputs], {}, where)
    outputs = names.values(chosen.outputs) or whole.outputs
    stated = {item.name: item for item in whole.inputs}
    given = _with_shapes(names, chosen, dict(stated))
    if not given:
        given = {item.name: item for item in whole.inputs}
    unknown = [name for name, item in given.items() if item is None]
    if unknown:
        given |= _built(lambda: replace(whole, outputs=tuple(unknown)), unknown, where)
    return _part(whole, given, outputs, where, bool(chosen.inputs), inner=not set(given) <= set(stated))


def _of_tensorflow(archive: TensorArchive, chosen: Ends, where: str) -> Graph:
    nested = formats.graph(archive)
    whole = flat(nested)
    inside = _inside(nested)
    arguments = {name: inside.get(value, value) for name, value in _arguments(archive, chosen.signature, where).items()}
    names = _Names(
        [(operation.name, operation.outputs) for operation in whole.operations], whole.inputs, arguments, where
    )
    names.known |= inside | {name.rpartition(":")[0]: value for name, value in inside.items() if name.endswith(":0")}
    signed = {end: tuple(arguments[f"{end}:{name}"] for name in _listed(arguments, end)) for end in ("in", "out")}
    by_default = signed if chosen.signature else {"in": whole.inputs, "out": answers(whole, Patterns(whole))}
    outputs = names.values(chosen.outputs) or by_default["out"]
    stated = _stated(archive, whole)
    given = _with_shapes(names, chosen, stated) or {name: stated.get(name) for name in by_default["in"]}
    part = _until(whole, tuple(given), outputs)
    if not chosen.inputs:
        read = {*outputs, *(value for operation in part.operations for value in operation.inputs)}
        given = {name: item for name, item in given.items() if name in read} or given
    texts: Mapping[str, Mapping[str, Any]] = archive.metadata.get("inputs") or {}
    for name in given:
        if texts.get(name, {}).get("dtype") == "string":
            raise SourceError(tensorflow.takes_text(whole, name, outputs, where))
    unknown = [name for name, item in given.items() if item is None]
    if unknown:
        below = _until(whole, whole.inputs, unknown)
        given |= _built(lambda: tensorflow.neutral(archive, below), unknown, where)
    inputs = {name: item for name, item in given.items() if item is not None}
    feeds = {*whole.inputs, *(archive.metadata.get("inputs") or ())}
    found = tensorflow.neutral(archive, replace(part, inputs=tuple(given)), inputs)
    return _part(found, given, found.outputs, where, bool(chosen.inputs), inner=not set(given) <= feeds)


def _inside(nested: OperationGraph) -> dict[str, str]:
    """For what calls of functions give, the values inside of the functions that these are when all is opened up."""
    called = tuple(value for operation in nested.operations if operation.graph for value in operation.outputs)
    return dict(zip(called, flat(replace(nested, outputs=called)).outputs, strict=True))


def _stated(archive: TensorArchive, whole: OperationGraph) -> dict[str, Input | None]:
    """What the file says about the values that it is fed with, and about those inside as far as it does."""
    stated = {name: Input(name, (None, *shape)) for name, shape in whole.shapes.items()}
    inputs: Mapping[str, Mapping[str, Any]] = archive.metadata.get("inputs") or {}
    feeds: dict[str, Input | None] = {}
    for name, about in inputs.items():
        found = stated.get(name)
        shape = about.get("shape") or (found.shape if found else None)
        feeds[name] = Input(name, tuple(shape), str(about.get("dtype") or "float32")) if shape else None
    return {**stated, **feeds}


def _arguments(archive: TensorArchive, signature: str, where: str) -> dict[str, str]:
    """The values of a signature by the name of the argument, after `in:` or `out:`."""
    signatures: Mapping[str, Any] = archive.metadata.get("signatures") or {}
    if signature and signature not in signatures:
        known = nearest(signature, signatures) or "; the file has no signatures"
        raise SourceError(f"'{where}' has no signature '{signature}'{known}")
    chosen = [signatures[signature]] if signature else list(signatures.values())
    return {
        f"{short}:{name}": item["value"]
        for one in reversed(chosen)
        for short, end in (("in", "inputs"), ("out", "outputs"))
        for name, item in one[end].items()
    }


def _listed(arguments: Mapping[str, str], end: str) -> list[str]:
    return [name.partition(":")[2] for name in arguments if name.startswith(f"{end}:")]


class _Names:
    """What a user may call a value: its name, the operation that makes it, the argument of a signature."""

    def __init__(
        self, made: Sequence[tuple[str, Sequence[str]]], given: Sequence[str], arguments: Mapping[str, str], where: str
    ) -> None:
        self.known: dict[str, str] = {}
        for name, outputs in made:
            self.known.update(dict.fromkeys((name,), outputs[0]) if outputs else {})
        self.known.update((name.partition(":")[0], name) for name in given)
        self.arguments = arguments
        self.known.update((value, value) for _, outputs in made for value in outputs)
        self.known.update((value, value) for value in given)
        self.where = where

    def value(self, name: str, end: str) -> str:
        """The value that is meant.

        Raises:
            SourceError: there is none.
        """
        if name in self.known:
            return self.known[name]
        if f"{end}:{name}" in self.arguments:
            return self.arguments[f"{end}:{name}"]
        known = [*self.known, *_listed(self.arguments, end)]
        raise SourceError(f"'{self.where}' has no value '{name}'{nearest(name, known)}")

    def values(self, names: Iterable[str]) -> tuple[str, ...]:
        """The values that are meant as outputs."""
        return tuple(dict.fromkeys(self.value(name, "out") for name in names))


def _with_shapes(names: _Names, chosen: Ends, stated: Mapping[str, Input | None]) -> dict[str, Input | None]:
    """The inputs that the user named, with what is said about them by the user or else by the file."""
    given: dict[str, Input | None] = {}
    for name, shape in chosen.inputs.items():
        value = names.value(name, "in")
        item = stated.get(value)
        if shape is not None:
            item = Input(value, (None, *shape), item.dtype if item else "float32")
        given[value] = item
    return given


def _built(below: Callable[[], Graph], wanted: Sequence[str], where: str) -> dict[str, Input]:
    """Shapes of values inside of a graph: found by building all that is below them."""
    try:
        values = build.build(below(), where).values
    except SourceError as error:
        raise SourceError(_without_shape(wanted[0], where)) from error
    found: dict[str, Input] = {}
    for name in wanted:
        value = values.get(name)
        if not isinstance(value, Live):
            raise SourceError(_without_shape(name, where))
        shape = tuple(None if size == BATCH else size for size in value.shape)
        found[name] = Input(name, shape, str(value.tensor.dtype))
    return found


def _without_shape(name: str, where: str) -> str:
    return (
        f"'{where}' does not say the shape of '{name}', and it cannot be found from what is below; say it with the "
        f"name, without the batch: '{name}=28x28x1'"
    )


def _until(graph: OperationGraph, inputs: Sequence[str], outputs: Sequence[str]) -> OperationGraph:
    """The operations that are needed for the outputs, where the inputs are given."""
    given, wanted, kept = set(inputs), set(outputs), list[Operation]()
    for operation in reversed(graph.operations):
        if wanted.intersection(operation.outputs) - given:
            wanted.update(operation.inputs)
            kept.append(operation)
    return replace(graph, operations=tuple(reversed(kept)), inputs=tuple(inputs), outputs=tuple(outputs))


def _part(
    graph: Graph, given: Mapping[str, Input | None], outputs: Sequence[str], where: str, named: bool, inner: bool
) -> Graph:
    wanted, kept = set(outputs), list[Node]()
    for node in reversed(graph.nodes):
        if wanted.intersection(node.outputs) - set(given):
            wanted.update(node.inputs)
            kept.append(node)
    made = {value for node in kept for value in node.outputs if node.operator not in _FEEDS}
    lacking = sorted(wanted - made - set(given) - set(graph.tensors) - {""})
    if lacking:
        raise SourceError(
            f"'{outputs[0]}' of '{where}' needs '{lacking[0]}' too, which is not among the inputs; name it as well, or "
            "an output that does not need it"
        )
    unused = [name for name in given if name not in wanted]
    if unused and named:
        raise SourceError(f"'{outputs[0]}' of '{where}' does not depend on the input '{unused[0]}'; leave it out")
    inputs = tuple(item for name, item in given.items() if item is not None and name not in unused)
    # What a user cuts into has weights right behind the cut; what stands before the file's own is preprocessing.
    return replace(
        graph, nodes=tuple(reversed(kept)), inputs=inputs, outputs=tuple(outputs), certain=graph.certain or inner
    )

"""Opens the functions that a TensorFlow graph calls, in TensorFlow's own messages.

A session gives values of a graph, not those inside of a function, which are wanted too. So a call is replaced by the
nodes of the function's body, with the name of the call before theirs; that is how TensorFlow itself runs it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

_CALLS = ("PartitionedCall", "StatefulPartitionedCall")


def opened(definition: Any, wanted: Iterable[str], signature: Callable[[str], Any]) -> dict[str, str]:
    """Open, in place, the calls that wanted values are inside of.

    Args:
        definition: a `GraphDef`; changed in place.
        wanted: names of values; `call/node:output:0` is inside of a function, anything else is not.
        signature: gives the `OpDef` of a kind of operation.

    Returns:
        For every value inside of what was opened, what it is called in the graph now.

    Raises:
        LookupError: a function reads what nobody makes, or a kind of operation is not known.
    """
    opening = _Opening(definition, [name for name in wanted if name.count(":") > 1], signature)
    opening.walk(definition.node, _Scope("", {}, {}))
    nodes = [opening.finished(node) for node in opening.nodes]
    del definition.node[:]
    definition.node.extend(nodes)
    return {name: opening.final(value) for name, value in opening.names.items()}


class _Scope:
    """How references are written at one level: in the graph itself, or in the body of a function that was called."""

    def __init__(self, prefix: str, given: Mapping[str, str], places: Mapping[str, int]) -> None:
        self.prefix, self._given, self._places = prefix, given, places

    def outside(self, reference: str) -> str:
        """A reference as the graph around all calls writes it."""
        if reference.startswith("^"):
            name = reference[1:]
            return f"^{self._given[name].partition(':')[0]}" if name in self._given else f"^{self.prefix}{name}"
        name, _, rest = reference.partition(":")
        if not self.prefix:
            return f"{name}:{rest or 0}"
        if name in self._given:
            return self._given[name]
        output, _, index = rest.rpartition(":")
        return f"{self.prefix}{name}:{self._places[f'{name}:{output}'] + int(index)}"


class _Opening:
    """The nodes of the graph as it will be, and what became of names."""

    def __init__(self, definition: Any, wanted: Sequence[str], signature: Callable[[str], Any]) -> None:
        self._library = {function.signature.name: function for function in definition.library.function}
        self._wanted, self._signature = wanted, signature
        self.nodes: list[Any] = []
        self.names: dict[str, str] = {}
        self._made: dict[str, str] = {}

    def walk(self, nodes: Iterable[Any], scope: _Scope) -> None:
        """Take over the nodes of a level, those of the calls that are opened in their place."""
        for node in nodes:
            moved = type(node)()
            moved.CopyFrom(node)
            moved.name = f"{scope.prefix}{node.name}"
            del moved.input[:]
            moved.input.extend(scope.outside(reference) for reference in node.input)
            function = self._library.get(node.attr["f"].func.name) if node.op in _CALLS else None
            if function is not None and any(name.startswith(f"{moved.name}/") for name in self._wanted):
                self._open(moved, function)
            else:
                if scope.prefix:
                    # It names nodes by what they were called in the function.
                    moved.attr.pop("_class", None)
                self.nodes.append(moved)

    def _open(self, call: Any, function: Any) -> None:
        values = [reference for reference in call.input if not reference.startswith("^")]
        given = dict(zip((item.name for item in function.signature.input_arg), values, strict=True))
        prefix = f"{call.name}/"
        places: dict[str, int] = {}
        for node in function.node_def:
            for output, first, count in self._outputs(node):
                places[f"{node.name}:{output}"] = first
                for index in range(count):
                    self.names[f"{prefix}{node.name}:{output}:{index}"] = f"{prefix}{node.name}:{first + index}"
        scope = _Scope(prefix, given, places)
        self.walk(function.node_def, scope)
        returned = [scope.outside(function.ret[item.name]) for item in function.signature.output_arg]
        self._made.update((f"{call.name}:{place}", value) for place, value in enumerate(returned))
        if returned:
            self._made[f"^{call.name}"] = f"^{self.final(returned[0]).partition(':')[0]}"

    def _outputs(self, node: Any) -> Iterable[tuple[str, int, int]]:
        """The outputs of a node: name, number of the first value, how many there are."""
        function = self._library.get(node.op)
        first = 0
        for item in (function.signature if function is not None else self._signature(node.op)).output_arg:
            many = len(node.attr[item.type_list_attr].list.type) if item.type_list_attr else 1
            count = node.attr[item.number_attr].i if item.number_attr else many
            yield item.name, first, count
            first += count

    def final(self, reference: str) -> str:
        """Where a value is once all calls are opened."""
        while reference in self._made:
            reference = self._made[reference]
        return reference

    def finished(self, node: Any) -> Any:
        """The node, reading what there is; what must have run before comes last, as TensorFlow wants it."""
        reads = [self.final(reference) for reference in node.input]
        del node.input[:]
        node.input.extend(sorted(reads, key=lambda item: item.startswith("^")))
        return node

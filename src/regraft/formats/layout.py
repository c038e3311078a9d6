"""Where the boxes of a drawn graph go: in rows from top to bottom, few crossings, chains straight, graphs in frames.

The classic scheme of layered drawing (Sugiyama, Tagawa and Toda, 1981): rows by longest path, edges that span rows bent
through empty places, order within rows by the mean of the neighbours, positions by least squares under a minimum
distance.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from regraft.core.tensors import Operation, OperationGraph, Shape

WIDTH, HEIGHT = 244.0, 40.0
_GAP, _ROW_GAP, _LANE, _FRAME, _TITLE = 26.0, 26.0, 14.0, 18.0, 26.0
_SWEEPS = 8
_MAIN, _ASIDE = 1e6, 0.2


@dataclass(frozen=True, slots=True)
class Box:
    """A drawn operation or input; `x`, `y` are its upper left corner.

    Attributes:
        path: canonical path; a second call of a shared layer has `#2` appended.
        shape: of the first value that it makes, without the batch.
        operation: what it stands for; None for an input.
        inside: whether it is the frame of a nested graph.
    """

    path: str
    shape: Shape | None
    operation: Operation | None
    x: float
    y: float
    width: float
    height: float
    inside: bool = False


@dataclass(frozen=True, slots=True)
class Drawing:
    """Boxes, frames first, and lines as lists of corners, with the size of the whole."""

    boxes: tuple[Box, ...]
    lines: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float
    entry: Mapping[str, tuple[float, float]]
    exit: Mapping[str, tuple[float, float]]


@dataclass(slots=True)
class _Node:
    """A box, a nested drawing, or an empty place (`lane`) through which an edge passes.

    `x` is where edges meet it; it reaches `left` and `right` from there, as what is inside a frame need not be centred.
    """

    path: str
    operation: Operation | None
    drawing: Drawing | None
    left: float
    right: float
    height: float
    row: int
    lane: bool = False
    weight: float = 1.0
    x: float = 0.0
    y: float = 0.0


def drawn(graph: OperationGraph) -> Drawing:
    """Place everything in a graph, nested graphs included."""
    return _drawn(graph, "", {})


def _drawn(graph: OperationGraph, prefix: str, calls: dict[str, int]) -> Drawing:
    nodes, edges = _nodes(graph, prefix, calls)
    rows = _ordered(nodes, edges)
    _place(nodes, edges, rows)
    return _collected(graph, nodes, edges)


_Edges = list[tuple[int, int, str]]


def _nodes(graph: OperationGraph, prefix: str, calls: dict[str, int]) -> tuple[list[_Node], _Edges]:
    nodes: list[_Node] = []
    makers: dict[str, int] = {}
    edges: _Edges = []
    for value in graph.inputs:
        makers[value] = len(nodes)
        # The inputs of a nested graph are where edges enter its frame.
        half, height = (_LANE / 2, 0.0) if prefix else (WIDTH / 2, HEIGHT)
        nodes.append(_Node(value, None, None, half, half, height, 0, lane=bool(prefix)))
    for operation in graph.operations:
        reads = [value for value in dict.fromkeys(operation.inputs) if value in makers]
        row = 1 + max((nodes[makers[value]].row for value in reads), default=-1)
        edges += [(makers[value], len(nodes), value) for value in reads]
        makers.update(dict.fromkeys(operation.outputs, len(nodes)))
        nodes.append(_node(operation, prefix, calls, row))
    _weigh_longest_way(nodes, edges, makers, graph)
    return nodes, _through_lanes(nodes, edges)


def _weigh_longest_way(nodes: list[_Node], edges: _Edges, makers: Mapping[str, int], graph: OperationGraph) -> None:
    """Give the longest way from an input to an output more weight: it is drawn straight, the rest beside it."""
    above, _ = _neighbours(nodes, edges)
    ends = [makers[value] for value in graph.outputs]
    while ends:
        longest = max(ends, key=lambda index: nodes[index].row)
        nodes[longest].weight = _MAIN
        ends = above[longest]


def _node(operation: Operation, prefix: str, calls: dict[str, int], row: int) -> _Node:
    path = prefix + operation.layer
    if operation.graph is not None:
        drawing = _drawn(operation.graph, f"{path}/", calls)
        port = drawing.exit[operation.graph.outputs[0]][0]
        left, right = port + _FRAME, drawing.width - port + _FRAME
        return _Node(prefix + operation.name, operation, drawing, left, right, drawing.height + _TITLE + _FRAME, row)
    # The same numbering as that of the flat graph, so that cut points are found by name.
    count = calls[path] = calls.get(path, 0) + 1
    return _Node(path if count == 1 else f"{path}#{count}", operation, None, WIDTH / 2, WIDTH / 2, HEIGHT, row)


def _through_lanes(nodes: list[_Node], edges: _Edges) -> _Edges:
    """Edges that span several rows, cut into pieces of one row; edges that start together share their lanes."""
    pieces: _Edges = []
    lanes: dict[tuple[int, int], int] = {}
    for source, target, value in edges:
        before = source
        for row in range(nodes[source].row + 1, nodes[target].row):
            if (source, row) not in lanes:
                lanes[source, row] = len(nodes)
                nodes.append(_Node("", None, None, _LANE / 2, _LANE / 2, 0.0, row, lane=True, weight=_ASIDE))
                pieces.append((before, lanes[source, row], value))
            before = lanes[source, row]
        pieces.append((before, target, value))
    return pieces


def _ordered(nodes: Sequence[_Node], edges: _Edges) -> list[list[int]]:
    """The nodes of each row from left to right."""
    rows: list[list[int]] = [[] for _ in range(1 + max((node.row for node in nodes), default=-1))]
    for index, node in enumerate(nodes):
        rows[node.row].append(index)
    above, below = _neighbours(nodes, edges)
    position = {index: place for row in rows for place, index in enumerate(row)}
    for sweep in range(_SWEEPS):
        downwards = sweep % 2 == 0
        near = above if downwards else below
        for row in rows if downwards else reversed(rows):
            # Lanes to the right of boxes that are as near: the way through the layers stays on the left.
            wanted = {i: (_mean([position[j] for j in near[i]], position[i]), nodes[i].lane) for i in row}
            row.sort(key=wanted.__getitem__)
            position.update((index, place) for place, index in enumerate(row))
    return rows


def _neighbours(nodes: Sequence[_Node], edges: _Edges) -> tuple[list[list[int]], list[list[int]]]:
    above: list[list[int]] = [[] for _ in nodes]
    below: list[list[int]] = [[] for _ in nodes]
    for source, target, _ in edges:
        above[target].append(source)
        below[source].append(target)
    return above, below


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _place(nodes: list[_Node], edges: _Edges, rows: Sequence[Sequence[int]]) -> None:
    y = 0.0
    for row in rows:
        height = max(nodes[index].height for index in row)
        for index in row:
            nodes[index].y = y
            if nodes[index].lane:
                nodes[index].height = height
        y += height + _ROW_GAP
    above, below = _neighbours(nodes, edges)
    both = [[*up, *down] for up, down in zip(above, below, strict=True)]
    for near in (*([below, above] * _SWEEPS), *([both] * _SWEEPS)):
        for row in rows if near is not below else reversed(rows):
            wanted = [_wanted(nodes, index, near[index]) for index in row]
            gaps = [_distance(nodes[a], nodes[b]) for a, b in itertools.pairwise(row)]
            weights = [nodes[index].weight for index in row]
            for index, x in zip(row, spread(wanted, gaps, weights), strict=True):
                nodes[index].x = x


def _wanted(nodes: Sequence[_Node], index: int, near: Sequence[int]) -> float:
    node = nodes[index]
    if node.weight == _MAIN:
        return 0.0
    # What stands beside the longest way is drawn straight as well, not bent towards it.
    near = [other for other in near if nodes[other].weight != _MAIN] or near
    total = sum(nodes[other].weight for other in near)
    return sum(nodes[other].x * nodes[other].weight for other in near) / total if near else node.x


def _distance(left: _Node, right: _Node) -> float:
    return left.right + right.left + (_LANE if left.lane or right.lane else _GAP)


def spread(wanted: Sequence[float], gaps: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The positions nearest to the wanted ones in least squares that keep the order and the gaps.

    Isotonic regression by pooling neighbours that violate the order.

    >>> spread([0.0, 0.0, 10.0], [4.0, 4.0], [1.0, 1.0, 1.0])
    [-2.0, 2.0, 10.0]
    """
    offsets = [0.0]
    for gap in gaps:
        offsets.append(offsets[-1] + gap)
    pools: list[tuple[float, float, int]] = []
    for target, offset, weight in zip(wanted, offsets, weights, strict=False):
        value, total, count = target - offset, weight, 1
        while pools and pools[-1][0] > value:
            other, more, members = pools.pop()
            value = (value * total + other * more) / (total + more)
            total, count = total + more, count + members
        pools.append((value, total, count))
    values = [value for value, _, count in pools for _ in range(count)]
    return [value + offset for value, offset in zip(values, offsets, strict=False)]


_Point = tuple[float, float]
_Line = tuple[_Point, ...]


def _collected(graph: OperationGraph, nodes: Sequence[_Node], edges: _Edges) -> Drawing:
    left = min((node.x - node.left for node in nodes), default=0.0)
    right = max((node.x + node.right for node in nodes), default=0.0)
    bottom = max((node.y + node.height for node in nodes), default=0.0)
    boxes: list[Box] = []
    lines: list[_Line] = []
    starts: dict[tuple[int, str], _Point] = {}
    ends: dict[tuple[int, str], _Point] = {}
    for index, node in enumerate(nodes):
        node.x -= left
        values: tuple[str, ...] = (
            *(node.operation.outputs if node.operation else ()),
            *graph.inputs[index : index + 1],
        )
        starts.update(((index, value), (node.x, node.y + node.height)) for value in values)
        if not node.lane:
            shape = graph.shapes.get(values[0])
            corner, width = node.x - node.left, node.left + node.right
            framed = node.drawing is not None
            boxes.append(Box(node.path, shape, node.operation, corner, node.y, width, node.height, framed))
        if node.lane and node.height:
            lines.append(((node.x, node.y), (node.x, node.y + node.height)))
        if node.drawing is not None:
            _add_nested(node, index, boxes, lines, starts, ends)
    for source, target, value in edges:
        bottom_of = nodes[source].x, nodes[source].y + nodes[source].height
        top_of = nodes[target].x, nodes[target].y
        lines.append((starts.get((source, value), bottom_of), ends.get((target, value), top_of)))
    makers = {value: index for index, node in enumerate(nodes) if node.operation for value in node.operation.outputs}
    makers |= {value: index for index, value in enumerate(graph.inputs)}
    entry = {value: (nodes[index].x, nodes[index].y) for index, value in enumerate(graph.inputs)}
    leave = {value: starts[makers[value], value] for value in graph.outputs}
    return Drawing(tuple(boxes), tuple(lines), right - left, bottom, entry, leave)


def _add_nested(
    node: _Node,
    index: int,
    boxes: list[Box],
    lines: list[_Line],
    starts: dict[tuple[int, str], _Point],
    ends: dict[tuple[int, str], _Point],
) -> None:
    operation, drawing = node.operation, node.drawing
    if operation is None or drawing is None or operation.graph is None:
        return
    dx, dy = node.x - node.left + _FRAME, node.y + _TITLE
    boxes += [replace(box, x=box.x + dx, y=box.y + dy) for box in drawing.boxes]
    lines += [tuple((x + dx, y + dy) for x, y in line) for line in drawing.lines]
    for outer, value in zip(operation.inputs, operation.graph.inputs, strict=True):
        ends[index, outer] = (drawing.entry[value][0] + dx, drawing.entry[value][1] + dy)
    for outer, value in zip(operation.outputs, operation.graph.outputs, strict=True):
        starts[index, outer] = (drawing.exit[value][0] + dx, drawing.exit[value][1] + dy)

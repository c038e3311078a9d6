"""Products with matrices: dense layers, tables that are looked up in, products of two values."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node, UnsupportedError
from regraft.importers.graphs.operations import bias
from regraft.importers.graphs.values import Constant, Live, Value


def dense(node: Node, build: Builder) -> Sequence[Value]:
    """X @ kernel + bias over the last axis."""
    kernel = build.constant(node, 1)
    if node.settings.get("transposed"):
        kernel = kernel.of(kernel.values.T)
    factor = node.settings.get("factor", 1.0)
    kernel = kernel if factor == 1 else kernel.of(kernel.values * np.float32(factor))
    return [over_last_axis(node, build, build.live(node), kernel, node.settings.get("bias_factor", 1.0))]


def matmul(node: Node, build: Builder) -> Sequence[Value]:
    """A @ b, as a dense layer where b is a matrix of constants."""
    first, second = build.operand(node, 0), build.operand(node, 1)
    if isinstance(first, Live) and isinstance(second, Constant) and second.values.ndim == 2:
        return [over_last_axis(node, build, first, second)]
    if isinstance(first, Constant) and isinstance(second, Live) and first.values.ndim == 2 and second.rank > 2:
        # The matrix works on the last axis but one; read transposed, that is the last one.
        order = [*range(second.rank - 2), second.rank - 1, second.rank - 2]
        kernel = first.of(first.values.T)
        return [over_last_axis(node, build, second.transposed(order), kernel, fuses=False).transposed(order)]
    if isinstance(first, Live) and isinstance(second, Live) and first.rank == second.rank > 2:
        sides = [build.plain(node, build.arranged(node, side, range(side.rank))) for side in (first, second)]
        product = build.operated(node, keras.ops.matmul(sides[0].tensor, sides[1].tensor))
        return [Live(product, tuple(range(first.rank)), first.rank)]
    raise UnsupportedError(f"a product of {_said(first)} and {_said(second)}")


def over_last_axis(
    node: Node, build: Builder, x: Live, kernel: Constant, bias_factor: float = 1.0, fuses: bool = True
) -> Live:
    """A dense layer over the last foreign axis.

    Args:
        node: that the layer is named after.
        build: the builder.
        x: the input.
        kernel: (inputs, outputs), rows in the foreign order.
        bias_factor: of the node's bias.
        fuses: whether the node's bias, or an addition after it, is the layer's.
    """
    last = x.rank - 1
    if x.axes[-1] != last:
        x = build.arranged(node, x, (*(axis for axis in x.axes if axis != last), last))
    if kernel.values.shape[0] != x.tensor.shape[-1]:
        raise UnsupportedError(f"a matrix of {kernel.values.shape[0]} rows for {x.said()}")
    if last in x.folds:
        kernel = kernel.of(kernel.values[x.folds[last].places()])
    outputs = kernel.values.shape[1]
    offset = bias.of(node, build, outputs, -1) if fuses else None
    if offset is not None and bias_factor != 1:
        offset = offset.of(offset.values * np.float32(bias_factor))
    weights = {"kernel": kernel, "bias": offset}
    kind: Any = keras.layers.Dense
    tensor = build.weighted(node, kind, x.tensor, weights, units=outputs, use_bias=offset is not None)
    return Live(tensor, x.axes, x.rank, {axis: fold for axis, fold in x.folds.items() if axis != last})


def looked_up(node: Node, build: Builder, table: Constant, indices: Live) -> Live:
    """Rows of a table of weights."""
    rows, width = table.values.shape
    config = {"input_dim": rows, "output_dim": width}
    tensor = build.weighted(node, keras.layers.Embedding, indices.tensor, {"embeddings": table}, **config)
    return Live(tensor, (*indices.axes, indices.rank), indices.rank + 1)


def _said(value: Value | None) -> str:
    if value is None:
        return "nothing"
    return f"constants of shape {value.values.shape}" if isinstance(value, Constant) else value.said()

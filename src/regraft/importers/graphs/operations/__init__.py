"""From neutral kinds to Keras layers: one table; a row takes a node and the builder, and gives the node's results."""

from collections.abc import Callable, Sequence

from regraft.importers.graphs.builder import Builder
from regraft.importers.graphs.neutral import Node, UnsupportedError
from regraft.importers.graphs.operations import (
    activation,
    arithmetic,
    convolution,
    dense,
    normalization,
    pooling,
    recurrent,
    reduction,
    resizing,
    shaping,
)
from regraft.importers.graphs.values import Value

Build = Callable[[Node, Builder], Sequence[Value]]


def _unknown(node: Node, build: Builder) -> Sequence[Value]:
    raise UnsupportedError(node.settings.get("reason", "this operation is not known"))


OPERATIONS: dict[str, Build] = {
    "activation": activation.activation,
    "batch_norm": normalization.batch_norm,
    "binary": arithmetic.binary,
    "cast": activation.cast,
    "clip": activation.clip,
    "concat": shaping.concat,
    "conv": convolution.conv,
    "conv_transposed": convolution.conv_transposed,
    "dense": dense.dense,
    "depth_to_space": resizing.depth_to_space,
    "dropout": activation.dropout,
    "expand": shaping.expand,
    "flatten": shaping.flatten,
    "gather": shaping.gather,
    "global_pool": pooling.global_pool,
    "group_norm": normalization.group_norm,
    "hard_sigmoid": activation.hard_sigmoid,
    "identity": activation.identity,
    "layer_norm": normalization.layer_norm,
    "log_softmax": activation.softmax,
    "lrn": normalization.lrn,
    "matmul": dense.matmul,
    "pad": shaping.pad,
    "pool": pooling.pool,
    "prelu": activation.prelu,
    "recurrent": recurrent.recurrent,
    "reduce": reduction.reduce,
    "reshape": shaping.reshape,
    "resize": resizing.resize,
    "slice": shaping.sliced,
    "softmax": activation.softmax,
    "space_to_depth": resizing.space_to_depth,
    "split": shaping.split,
    "squeeze": shaping.squeeze,
    "tile": shaping.tile,
    "transpose": shaping.transpose,
    "unary": activation.unary,
    "unknown": _unknown,
    "unsqueeze": shaping.unsqueeze,
    "where": arithmetic.where,
}

"""BatchNorm statistics measured anew on the examples at hand."""

import contextlib
from collections.abc import Generator, Iterable
from typing import Any

import keras
import numpy as np

from regraft.graph import names
from regraft.graph.gradients import without_gradients
from regraft.training.rates import is_batch_norm

Array = np.ndarray[Any, Any]


def recalibrate(model: keras.Model, batches: Iterable[Array]) -> set[str]:
    """Replace the statistics of all BatchNorm layers of a model, in place, by those of the examples.

    One pass, in inference mode but for the BatchNorm layers, which normalise by the batch, so that upper ones see what
    they will see. Mean and variance are those over all batches together, as `update_bn` of Izmailov et al. 2018 (SWA)
    does it, but with the variance between batches in them.

    Args:
        model: its weights stay.
        batches: float32 (n, ...); large ones are better.

    Returns:
        The canonical names of what was measured.
    """
    found = {id(layer): _Moments(layer) for _, layer in names.layers(model) if is_batch_norm(layer)}
    if not found:
        return set()
    with contextlib.ExitStack() as stack:
        for moments in found.values():
            stack.enter_context(moments.watching())
        for batch in batches:
            with without_gradients(), keras.StatelessScope():
                model(keras.ops.convert_to_tensor(batch), training=False)
    for moments in found.values():
        moments.write()
    statistics = {id(variable) for moments in found.values() for variable in moments.statistics}
    return {name for name, variable in names.variables(model).items() if id(variable) in statistics}


class _Moments:
    """Sums over all that a BatchNorm layer is given, in float64."""

    def __init__(self, layer: Any) -> None:
        self._layer = layer
        self._count = 0
        self._mean: Any = 0.0
        self._squares: Any = 0.0

    @contextlib.contextmanager
    def watching(self) -> Generator[None]:
        layer = self._layer
        layer.call = self._call
        try:
            yield
        finally:
            del layer.call

    def _call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        layer, ops = self._layer, keras.ops
        rank = len(inputs.shape)
        axes = [axis for axis in range(rank) if axis != layer.axis % rank]
        mean, variance = ops.moments(ops.cast(inputs, "float32"), axes)
        count = float(np.prod([inputs.shape[axis] for axis in axes]))
        self._add(count, *(np.asarray(ops.convert_to_numpy(item)) for item in (mean, variance)))
        return ops.batch_normalization(
            inputs, mean, variance, layer.axis, offset=layer.beta, scale=layer.gamma, epsilon=layer.epsilon
        )

    def _add(self, count: float, mean: Array, variance: Array) -> None:
        """Join the moments of a batch to those of before (Chan, Golub and LeVeque 1979)."""
        total = self._count + count
        away = mean.astype(np.float64) - self._mean
        self._squares = self._squares + variance.astype(np.float64) * count + away**2 * (self._count * count / total)
        self._mean = self._mean + away * (count / total)
        self._count = total

    @property
    def statistics(self) -> tuple[Any, Any]:
        return self._layer.moving_mean, self._layer.moving_variance

    def write(self) -> None:
        if self._count:
            for variable, value in zip(self.statistics, (self._mean, self._squares / self._count), strict=True):
                variable.assign(value)

"""The same branch in PyTorch: its layers one by one, channels last, with the same weights and the same that learns."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks.frame import FailedError

Array = np.ndarray[Any, Any]


def module(branch: Any) -> Any:
    """A chain of Keras layers as a PyTorch module with the same weights; BatchNorm is frozen.

    Raises:
        FailedError: a layer that this benchmark has no words for.
    """
    import torch

    parts = [part for layer in branch.layers for part in _parts(layer)]
    made: Any = torch.nn.Sequential(*parts)
    return made.to(memory_format=torch.channels_last)


def train(branch: Any, x: Array, y: Array, batch: int, epochs: int, begins: Callable[[], None], threads: int) -> None:
    """A hand-written loop: Adam, a rate that falls along a cosine, batches in a new order in every epoch.

    Args:
        branch: of Keras.
        x: activations float32 (n, height, width, channels).
        y: labels int64 (n,).
        batch: examples a step.
        epochs: how many.
        begins: called at the beginning of each epoch.
        threads: of PyTorch; more than one wait for each other busily, which counts as processor time.
    """
    import torch

    torch.set_num_threads(threads)
    made = module(branch)
    learning = [value for value in made.parameters() if value.requires_grad]
    optimizer = torch.optim.Adam(learning, 3e-4)
    steps = epochs * -(-len(x) // batch)
    falling: Any = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    pictures = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
    labels = torch.from_numpy(y)
    for _ in range(epochs):
        begins()
        for rows in torch.randperm(len(x)).split(batch):
            optimizer.zero_grad()
            loss = torch.nn.functional.cross_entropy(made(pictures[rows]), labels[rows])
            loss.backward()
            optimizer.step()
            falling.step()


def answers(made: Any, x: Array) -> Array:
    """What a module makes of activations as Keras has them: float32 (n, classes)."""
    import torch

    with torch.inference_mode():
        return made(torch.from_numpy(x).permute(0, 3, 1, 2)).numpy()


def _parts(layer: Any) -> list[Any]:
    from torch import nn

    kind = type(layer).__name__
    if kind in ("InputLayer", "Dropout"):
        return []
    if kind in ("Conv2D", "DepthwiseConv2D"):
        return [_convolution(layer, kind == "DepthwiseConv2D")]
    if kind == "BatchNormalization":
        return [_batch_norm(layer)]
    if kind == "ReLU" and layer.max_value == 6:
        return [nn.ReLU6()]
    if kind == "ZeroPadding2D":
        (top, bottom), (left, right) = layer.padding
        return [nn.ZeroPad2d((left, right, top, bottom))]
    if kind == "GlobalAveragePooling2D":
        return [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    if kind == "Dense":
        dense = nn.Linear(*layer.kernel.shape)
        _set(dense.weight, _array(layer.kernel).T)
        _set(dense.bias, layer.bias)
        return [dense]
    raise FailedError(f"expected layers of MobileNet, found '{layer.name}', {kind}")


def _convolution(layer: Any, by_channel: bool) -> Any:
    from torch import nn

    kernel = _array(layer.kernel)
    height, width, channels, made = kernel.shape
    groups = channels if by_channel else 1
    padding = (height // 2, width // 2) if layer.padding == "same" else 0
    if layer.padding == "same" and max(layer.strides) > 1:
        raise FailedError(f"expected strides of 1 where borders are kept, found '{layer.name}', {layer.strides}")
    outputs = channels * made if by_channel else made
    found = nn.Conv2d(channels, outputs, (height, width), layer.strides, padding, groups=groups, bias=layer.use_bias)
    _set(found.weight, kernel.transpose(2, 3, 0, 1) if by_channel else kernel.transpose(3, 2, 0, 1))
    if layer.use_bias:
        _set(found.bias, layer.bias)
    return found


def _batch_norm(layer: Any) -> Any:
    from torch import nn

    found: Any = nn.BatchNorm2d(layer.gamma.shape[0], eps=layer.epsilon)
    pairs: Sequence[tuple[Any, Any]] = (
        (found.weight, layer.gamma),
        (found.bias, layer.beta),
        (found.running_mean, layer.moving_mean),
        (found.running_var, layer.moving_variance),
    )
    for mine, theirs in pairs:
        _set(mine, theirs)
        mine.requires_grad = False
    return found.eval()


def _set(parameter: Any, value: Any) -> None:
    import torch

    with torch.no_grad():
        parameter.copy_(torch.from_numpy(np.ascontiguousarray(_array(value))))


def _array(value: Any) -> Array:
    import keras

    return np.array(keras.ops.convert_to_numpy(value))

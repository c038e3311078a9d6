"""Which operations are linear in what they are given, up to borders, when their results are averaged over positions."""

from typing import Any

_LINEAR = (
    "BatchNormalization", "Conv1D", "Conv2D", "Conv3D", "Cropping1D", "Cropping2D", "Dense", "DepthwiseConv1D",
    "DepthwiseConv2D", "Dropout", "Flatten", "GlobalAveragePooling1D", "GlobalAveragePooling2D", "Normalization",
    "Permute", "Rescaling", "Reshape", "Resizing", "SeparableConv1D", "SeparableConv2D", "SpatialDropout1D",
    "SpatialDropout2D", "UpSampling2D", "ZeroPadding1D", "ZeroPadding2D",
)  # fmt: skip


def is_linear(operation: Any) -> bool:
    """Whether an operation of a model, a layer mostly, is linear in inference, its own activation included."""
    if type(operation).__name__ not in _LINEAR:
        return False
    activation = getattr(operation, "activation", None)
    return activation is None or getattr(activation, "__name__", "") == "linear"

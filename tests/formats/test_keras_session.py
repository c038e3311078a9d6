"""Names that Keras 1 and 2 gave to variables, those of their session, in weight files without a configuration."""

import h5py
import numpy as np
import pytest

from regraft import formats

# (layer, names and shapes in the file, canonical names), as the applications of Keras 1 and 2 were published.
PUBLISHED = {
    "VGG16 of Keras 1": (
        "block1_conv1",
        {"block1_conv1_W_1:0": (3, 3, 3, 4), "block1_conv1_b_1:0": (4,)},
        ["kernel", "bias"],
    ),
    "ResNet50 of Keras 1": (
        "bn2a_branch2a",
        {f"bn2a_branch2a_{own}:0": (4,) for own in ("gamma", "beta", "running_mean", "running_std")},
        ["gamma", "beta", "moving_mean", "moving_variance"],
    ),
    "SqueezeNet of Keras 1": (
        "fire2/expand1x1",
        {"fire2/expand1x1_W:0": (1, 1, 16, 64), "fire2/expand1x1_b:0": (64,)},
        ["kernel", "bias"],
    ),
    "MobileNet of Keras 2": ("conv_dw_1", {"conv_dw_1/depthwise_kernel:0": (3, 3, 4, 1)}, ["kernel"]),
    "Xception of Keras 2": (
        "block2_sepconv1",
        {
            "block2_sepconv1/depthwise_kernel:0": (3, 3, 4, 1),
            "block2_sepconv1/pointwise_kernel:0": (1, 1, 4, 8),
        },
        ["depthwise_kernel", "pointwise_kernel"],
    ),
    "LSTM of Keras 1": (
        "lstm_1",
        {f"lstm_1_{kind}_{gate}:0": (3, 3) if kind != "b" else (3,) for gate in "icfo" for kind in "WUb"},
        [f"{kind}_{gate}" for gate in "icfo" for kind in "WUb"],
    ),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_names_become_canonical(tmp_path, name):
    layer, stored, expected = PUBLISHED[name]
    with h5py.File(tmp_path / "m.h5", "w") as file:
        file.attrs["layer_names"] = [layer.encode()]
        if name.endswith("2"):
            file.attrs["keras_version"] = b"2.0.6"
        group = file.create_group(layer)
        group.attrs["weight_names"] = [own.encode() for own in stored]
        for own, shape in stored.items():
            group[own] = np.zeros(shape, "float32")
    assert list(formats.read(tmp_path / "m.h5").tensors) == [f"{layer}/{own}" for own in expected]

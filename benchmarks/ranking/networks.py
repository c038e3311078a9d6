"""Networks that the sources need built: those whose files hold only weights, and the small one that is trained here."""

from typing import Any


def squeezenet(size: int) -> Any:
    """SqueezeNet 1.1 without its top."""
    import keras

    layers = keras.layers
    x = entry = keras.Input((size, size, 3))
    x = layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(x)
    for fire, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), 2):
        if fire in (2, 4, 6):
            x = layers.MaxPooling2D(3, 2, name=f"pool{fire}")(x)
        x = layers.Conv2D(squeezed, 1, activation="relu", name=f"fire{fire}_squeeze1x1")(x)
        one = layers.Conv2D(4 * squeezed, 1, activation="relu", name=f"fire{fire}_expand1x1")(x)
        three = layers.Conv2D(4 * squeezed, 3, padding="same", activation="relu", name=f"fire{fire}_expand3x3")(x)
        x = layers.Concatenate(name=f"fire{fire}")([one, three])
    return keras.Model(entry, x, name="squeezenet")


def resnet(blocks: int, epsilon: float) -> Any:
    """The residual network for CIFAR-10, its shortcuts without weights."""
    import keras

    layers = keras.layers

    def step(x: Any, width: int, stride: int, name: str) -> Any:
        if stride == 2:
            # PyTorch and Lasagne pad both sides by one, Keras' "same" the lower and the right one only.
            x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
        padding = "valid" if stride == 2 else "same"
        x = layers.Conv2D(width, 3, stride, padding=padding, use_bias=False, name=f"{name}_conv")(x)
        return layers.BatchNormalization(epsilon=epsilon, name=f"{name}_bn")(x)

    entry: Any = keras.Input((32, 32, 3))
    x: Any = layers.ReLU(name="stem_relu")(step(entry, 16, 1, "stem"))
    for stage, width in enumerate((16, 32, 64), start=1):
        for block in range(blocks):
            stride, name = 2 if stage > 1 and block == 0 else 1, f"s{stage}b{block}"
            y = layers.ReLU(name=f"{name}_relu")(step(x, width, stride, f"{name}_1"))
            y = step(y, width, 1, f"{name}_2")
            if stride == 2:
                x = keras.ops.pad(layers.MaxPooling2D(1, 2)(x), [[0, 0], [0, 0], [0, 0], [width // 4, width // 4]])
            x = layers.ReLU(name=f"{name}_out")(layers.Add(name=f"{name}_add")([x, y]))
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(entry, layers.Dense(10, name="top")(x), name=f"resnet{6 * blocks + 2}")


def mlp(*widths: int, bias: bool = True) -> Any:
    """Layers on the pixels of a digit; the last has no activation."""
    import keras

    hidden = [
        keras.layers.Dense(width, "relu", use_bias=bias, name=f"layer{number}")
        for number, width in enumerate(widths[:-1])
    ]
    last = keras.layers.Dense(widths[-1], use_bias=bias, name=f"layer{len(widths) - 1}")
    return keras.Sequential([keras.Input((28, 28, 1)), keras.layers.Flatten(name="pixels"), *hidden, last])


def small(shape: tuple[int, int, int], classes: int, seed: int) -> Any:
    """Three convolutions and a layer of 128, untrained; takes pictures from 0 to 255."""
    import keras

    keras.utils.set_random_seed(seed)
    layers: list[Any] = [keras.Input(shape), keras.layers.Rescaling(1 / 255, name="scale")]
    for number, width in enumerate((32, 64, 64), start=1):
        layers += [
            keras.layers.Conv2D(width, 3, padding="same", use_bias=False, name=f"conv{number}"),
            keras.layers.BatchNormalization(name=f"bn{number}"),
            keras.layers.ReLU(name=f"relu{number}"),
        ]
        if number < 3:
            layers.append(keras.layers.MaxPooling2D(name=f"pool{number}"))
    layers += [
        keras.layers.AveragePooling2D(2, name="pool3"),
        keras.layers.Flatten(name="flat"),
        keras.layers.Dense(128, "relu", name="dense"),
        keras.layers.Dense(classes, name="top"),
    ]
    return keras.Sequential(layers)

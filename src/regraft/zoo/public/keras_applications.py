"""The networks of keras.applications, with every width and size that weights were published for.

Accuracies are those that Keras publishes (https://keras.io/api/applications), for widths and sizes of MobileNet those
of their authors (https://github.com/tensorflow/models/tree/master/research/slim), all on ImageNet's validation
examples. Licences are of the weights, as Keras' documentation names them, or of where Keras converted them from.
"""

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from regraft.core.public import PublicNetwork

NAME = "keras"
TITLE = "keras.applications"
NOTE = "opening one downloads its weights; parameters are without the classifier, which Regraft leaves off"

_KERNELS = "_weights_tf_dim_ordering_tf_kernels_notop.h5"


@dataclass(frozen=True, slots=True)
class _Family:
    """Members of a family: name, size, parameters, file of the weights, top-1 and top-5 in per cent."""

    name: str
    licence: str
    members: tuple[tuple[str, int, int, str, float, float | None], ...]
    learnt_from: str = "ImageNet-1k"


_FAMILIES = (
    _Family("Xception", "MIT", (("Xception", 299, 20_861_480, f"xception{_KERNELS}", 79.0, 94.5),)),
    _Family(
        "VGG",
        "CC-BY-4.0",
        (
            ("VGG16", 224, 14_714_688, f"vgg16{_KERNELS}", 71.3, 90.1),
            ("VGG19", 224, 20_024_384, f"vgg19{_KERNELS}", 71.3, 90.0),
        ),
    ),
    _Family(
        "ResNet",
        "MIT",
        (
            ("ResNet50", 224, 23_587_712, f"resnet50{_KERNELS}", 74.9, 92.1),
            ("ResNet101", 224, 42_658_176, f"resnet101{_KERNELS}", 76.4, 92.8),
            ("ResNet152", 224, 58_370_944, f"resnet152{_KERNELS}", 76.6, 93.1),
        ),
    ),
    _Family(
        "ResNetV2",
        "BSD-3-Clause",
        (
            ("ResNet50V2", 224, 23_564_800, f"resnet50v2{_KERNELS}", 76.0, 93.0),
            ("ResNet101V2", 224, 42_626_560, f"resnet101v2{_KERNELS}", 77.2, 93.8),
            ("ResNet152V2", 224, 58_331_648, f"resnet152v2{_KERNELS}", 78.0, 94.2),
        ),
    ),
    _Family(
        "Inception",
        "Apache-2.0",
        (
            ("InceptionV3", 299, 21_802_784, f"inception_v3{_KERNELS}", 77.9, 93.7),
            ("InceptionResNetV2", 299, 54_336_736, f"inception_resnet_v2{_KERNELS}", 80.3, 95.3),
        ),
    ),
    _Family(
        "DenseNet",
        "BSD-3-Clause",
        (
            ("DenseNet121", 224, 7_037_504, f"densenet121{_KERNELS}", 75.0, 92.3),
            ("DenseNet169", 224, 12_642_880, f"densenet169{_KERNELS}", 76.2, 93.2),
            ("DenseNet201", 224, 18_321_984, f"densenet201{_KERNELS}", 77.3, 93.6),
        ),
    ),
    _Family(
        "NASNet",
        "Apache-2.0",
        (
            ("NASNetMobile", 224, 4_269_716, "nasnet_mobile_no_top.h5", 74.4, 91.9),
            ("NASNetLarge", 331, 84_916_818, "nasnet_large_no_top.h5", 82.5, 96.0),
        ),
    ),
    _Family(
        "EfficientNet",
        "Apache-2.0",
        (
            ("EfficientNetB0", 224, 4_049_571, "efficientnetb0_notop.h5", 77.1, 93.3),
            ("EfficientNetB1", 240, 6_575_239, "efficientnetb1_notop.h5", 79.1, 94.4),
            ("EfficientNetB2", 260, 7_768_569, "efficientnetb2_notop.h5", 80.1, 94.9),
            ("EfficientNetB3", 300, 10_783_535, "efficientnetb3_notop.h5", 81.6, 95.7),
            ("EfficientNetB4", 380, 17_673_823, "efficientnetb4_notop.h5", 82.9, 96.4),
            ("EfficientNetB5", 456, 28_513_527, "efficientnetb5_notop.h5", 83.6, 96.7),
            ("EfficientNetB6", 528, 40_960_143, "efficientnetb6_notop.h5", 84.0, 96.8),
            ("EfficientNetB7", 600, 64_097_687, "efficientnetb7_notop.h5", 84.3, 97.0),
        ),
    ),
    _Family(
        "EfficientNetV2",
        "Apache-2.0",
        (
            ("EfficientNetV2B0", 224, 5_919_312, "efficientnetv2-b0_notop.h5", 78.7, 94.3),
            ("EfficientNetV2B1", 240, 6_931_124, "efficientnetv2-b1_notop.h5", 79.8, 95.0),
            ("EfficientNetV2B2", 260, 8_769_374, "efficientnetv2-b2_notop.h5", 80.5, 95.1),
            ("EfficientNetV2B3", 300, 12_930_622, "efficientnetv2-b3_notop.h5", 82.0, 95.8),
            ("EfficientNetV2S", 384, 20_331_360, "efficientnetv2-s_notop.h5", 83.9, 96.7),
            ("EfficientNetV2M", 480, 53_150_388, "efficientnetv2-m_notop.h5", 85.3, 97.4),
            ("EfficientNetV2L", 480, 117_746_848, "efficientnetv2-l_notop.h5", 85.7, 97.5),
        ),
    ),
    _Family(
        "ConvNeXt",
        "MIT",
        (
            ("ConvNeXtTiny", 224, 27_820_128, "convnext_tiny_notop.h5", 81.3, None),
            ("ConvNeXtSmall", 224, 49_454_688, "convnext_small_notop.h5", 82.3, None),
        ),
    ),
    _Family(
        "ConvNeXt",
        "MIT",
        (
            ("ConvNeXtBase", 224, 87_566_464, "convnext_base_notop.h5", 85.3, None),
            ("ConvNeXtLarge", 224, 196_230_336, "convnext_large_notop.h5", 86.3, None),
            ("ConvNeXtXLarge", 224, 348_147_968, "convnext_xlarge_notop.h5", 86.7, None),
        ),
        "ImageNet-21k, then ImageNet-1k",
    ),
)

# Parameters by width; top-1 and top-5 in per cent by width and size.
_MOBILENET_PARAMETERS = {1.0: 3_228_864, 0.75: 1_832_976, 0.5: 829_536, 0.25: 218_544}
_MOBILENET: dict[tuple[float, int], tuple[float, float]] = {
    (1.0, 224): (70.4, 89.5),
    (1.0, 192): (70.0, 89.2),
    (1.0, 160): (68.0, 87.7),
    (1.0, 128): (65.2, 85.8),
    (0.75, 224): (68.4, 88.2),
    (0.75, 192): (67.2, 87.3),
    (0.75, 160): (65.3, 86.0),
    (0.75, 128): (62.1, 83.9),
    (0.5, 224): (63.3, 84.9),
    (0.5, 192): (61.7, 83.6),
    (0.5, 160): (59.1, 81.9),
    (0.5, 128): (56.3, 79.4),
    (0.25, 224): (49.8, 74.2),
    (0.25, 192): (47.7, 72.3),
    (0.25, 160): (45.5, 70.3),
    (0.25, 128): (41.5, 66.3),
}
_MOBILENET_V2_PARAMETERS = {
    1.4: 4_363_712,
    1.3: 3_766_048,
    1.0: 2_257_984,
    0.75: 1_382_064,
    0.5: 706_224,
    0.35: 410_208,
}
_MOBILENET_V2: dict[tuple[float, int], tuple[float, float]] = {
    (1.4, 224): (75.0, 92.5),
    (1.3, 224): (74.4, 92.1),
    (1.0, 224): (71.3, 90.1),
    (1.0, 192): (70.7, 90.1),
    (1.0, 160): (68.8, 89.0),
    (1.0, 128): (65.3, 86.9),
    (1.0, 96): (60.3, 83.2),
    (0.75, 224): (69.8, 89.6),
    (0.75, 192): (68.7, 88.9),
    (0.75, 160): (66.4, 87.3),
    (0.75, 128): (63.2, 85.3),
    (0.75, 96): (58.8, 81.6),
    (0.5, 224): (65.4, 86.4),
    (0.5, 192): (63.9, 85.4),
    (0.5, 160): (61.0, 83.2),
    (0.5, 128): (57.7, 80.8),
    (0.5, 96): (51.2, 75.8),
    (0.35, 224): (60.3, 82.9),
    (0.35, 192): (58.2, 81.2),
    (0.35, 160): (55.7, 79.1),
    (0.35, 128): (50.8, 75.0),
    (0.35, 96): (45.5, 70.4),
}
# By size of the network, width and whether it is the plain variant: parameters and top-1.
_MOBILENET_V3: dict[tuple[str, float, bool], tuple[int, float]] = {
    ("Large", 1.0, False): (2_996_352, 75.6),
    ("Large", 0.75, False): (1_808_736, 73.3),
    ("Large", 1.0, True): (1_437_608, 72.3),
    ("Small", 1.0, False): (939_120, 68.1),
    ("Small", 0.75, False): (583_160, 65.4),
    ("Small", 1.0, True): (441_000, 61.9),
}


def networks() -> tuple[PublicNetwork, ...]:
    """All of them, the most accurate first; with the file of the weights where it lies in Keras' folder."""
    known = [*_plain(), *_mobilenet(), *_mobilenet_v2(), *_mobilenet_v3()]
    return tuple(sorted(known, key=lambda network: -(network.top1 or 0)))


def folder() -> Path:
    """Where Keras keeps weights that it downloaded; the same rule as Keras', without importing it."""
    named = os.environ.get("KERAS_HOME")
    if named:
        return Path(named) / "models"
    home = Path.home()
    return (home if os.access(home, os.W_OK) else Path(tempfile.gettempdir())) / ".keras" / "models"


def _plain() -> Iterator[PublicNetwork]:
    for family in _FAMILIES:
        for name, size, parameters, file, top1, top5 in family.members:
            yield _network(
                family.name, name, "", size, parameters, file, top1, top5, family.licence, family.learnt_from
            )


def _mobilenet() -> Iterator[PublicNetwork]:
    for (width, size), (top1, top5) in _MOBILENET.items():
        # Keras writes these widths as 1_0, 7_5, 5_0 and 2_5.
        written = "1_0" if width == 1 else "_".join(f"{width * 10:.1f}".split("."))
        said = _said(width, size)
        file = f"mobilenet_{written}_{size}_tf_no_top.h5"
        yield _network("MobileNet", "MobileNet", said, size, _MOBILENET_PARAMETERS[width], file, top1, top5)


def _mobilenet_v2() -> Iterator[PublicNetwork]:
    for (width, size), (top1, top5) in _MOBILENET_V2.items():
        file = f"mobilenet_v2_weights_tf_dim_ordering_tf_kernels_{width}_{size}_no_top.h5"
        parameters = _MOBILENET_V2_PARAMETERS[width]
        yield _network("MobileNetV2", "MobileNetV2", _said(width, size), size, parameters, file, top1, top5)


def _mobilenet_v3() -> Iterator[PublicNetwork]:
    for (kind, width, minimalistic), (parameters, top1) in _MOBILENET_V3.items():
        middle = "_minimalistic" if minimalistic else ""
        file = f"weights_mobilenet_v3_{kind.lower()}{middle}_224_{width}_float_no_top_v2.h5"
        said = "minimalistic=true" if minimalistic else _said(width, 224)
        yield _network("MobileNetV3", f"MobileNetV3{kind}", said, 224, parameters, file, top1, None)


def _said(width: float, size: int) -> str:
    """The arguments that differ from those of the function."""
    parts = [f"alpha={width:g}"] if width != 1 else []
    parts += [f"input_shape={size},{size},3"] if size != 224 else []
    return "&".join(parts)


def _network(
    family: str,
    function: str,
    arguments: str,
    size: int,
    parameters: int,
    file: str,
    top1: float,
    top5: float | None,
    licence: str = "Apache-2.0",
    learnt_from: str = "ImageNet-1k",
) -> PublicNetwork:
    name = f"{function}?{arguments}" if arguments else function
    path = folder() / file
    return PublicNetwork(
        zoo=NAME,
        name=name,
        source=f"keras:{name}",
        family=family,
        size=size,
        parameters=parameters,
        learnt_from=learnt_from,
        top1=round(top1 / 100, 5),
        top5=None if top5 is None else round(top5 / 100, 5),
        licence=licence,
        here=str(path) if path.is_file() else "",
    )

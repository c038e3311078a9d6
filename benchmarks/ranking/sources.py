"""The sources that are ranked: real networks of every kind that take pictures, and small ones that are trained here.

Each is kept as one file of Keras below `build/`, at the size that it is run at, so that opening costs every source the
same. Networks for large pictures are run at 128 pixels.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import pictures
from benchmarks.ranking import learning, networks
from benchmarks.ranking.targets import PLACE

SIZE = 128


@dataclass(frozen=True, slots=True)
class Source:
    """A network to reuse.

    Attributes:
        name: in tables and files.
        preprocessing: its input convention.
        build: makes it: `() -> keras.Model`.
        learnt: what it was trained on.
        published: share of ImageNet's validation pictures that the whole network is right about, where it learnt that.
        version: in the name of the kept file and in what is measured: raised where it is made or used in another way.
    """

    name: str
    preprocessing: str
    build: Callable[[], Any]
    learnt: str
    published: float | None = None
    version: int = 1


def path(source: Source) -> Path:
    """The file of a source; made where it is not there.

    Raises:
        UnavailableError: what it is made from is not here.
    """
    file = PLACE / "sources" / f"{source.name}-{source.version}.keras"
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        made = file.with_name(f"{os.getpid()}-{file.name}")
        source.build().save(made)
        made.rename(file)
    return file


def opened(source: Source) -> Any:
    """A source as `regraft.open` gives it."""
    import regraft

    return regraft.open(path(source), preprocessing=source.preprocessing)


def known(names: Sequence[str] = ()) -> tuple[Source, ...]:
    """The sources of these names, or all."""
    return tuple(SOURCES[name] for name in names) if names else tuple(SOURCES.values())


def _net(file: str, architecture: str | None = None, size: int | None = None) -> Callable[[], Any]:
    """A network whose file says how it is built, or a `keras:` name does; brought to a size."""

    def build() -> Any:
        import regraft
        from regraft.surgery.resize import with_input_size

        model = regraft.open(pictures.existing("nets", *file.split("/")), architecture=architecture).model
        return model if size is None else with_input_size(model, size, size)

    return build


def _restored(file: str, build: Callable[[], Any], rules: str | None = None) -> Callable[[], Any]:
    """A network whose weights are in a file, into what builds it."""

    def restored() -> Any:
        import regraft

        return regraft.restore(build(), pictures.existing("nets", *file.split("/")), rules).model

    return restored


def _trained(lesson: Callable[[], learning.Lesson]) -> Callable[[], Any]:
    return lambda: learning.trained(lesson)


_LASAGNE = r"""
name arr_15[56] as top/W top/b
name arr_\d+ as #/W #/beta #/gamma #/mean #/inv_std
(\d+)/W => .*_conv/kernel
(\d+)/beta => .*_bn/beta
(\d+)/gamma => .*_bn/gamma
(\d+)/mean => .*_bn/moving_mean
(\d+)/inv_std => .*_bn/moving_variance | inverse-std
top/W -> top/kernel
top/b -> top/bias
"""
_MOBILENET = "mobilenet_v1_1.0_224_trunk/mobilenet_v1_1.0_224_trunk.keras"
_MOBILENET_QUARTER = "tf1_frozen_mobilenet_v1_0.25_224/derived/mobilenet_2_5_224_tf_no_top.h5"
_MOBILENET_V2 = "teachable_mobilenet_v2_0.35_keras_savedmodel/Keras/keras_model.h5"
_SQUEEZENET = "keras_squeezenet_v1.1_notop/squeezenet_weights_tf_dim_ordering_tf_kernels_notop.h5"
_EMOTION = "keras_face_classification/emotion_models/fer2013_mini_XCEPTION.102-0.66.hdf5"
_GENDER = "keras_face_classification/gender_models/gender_mini_XCEPTION.21-0.95.hdf5"
# The mean of the pictures that Lasagne's network learnt from was taken off, pixel by pixel; this is their mean.
_CIFAR_MEAN = "x/255-0.4734"

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        # Published accuracies: of MobileNet and MobileNetV2 by their authors at 224 pixels, of SqueezeNet 1.1 likewise.
        Source("mobilenet-1.0", "tf", _net(_MOBILENET, size=SIZE), "ImageNet", 0.706),
        Source("mobilenet-0.25", "tf", _net(_MOBILENET_QUARTER, "keras:MobileNet?alpha=0.25", SIZE), "ImageNet", 0.506),
        Source("mobilenetv2-0.35", "tf", _net(_MOBILENET_V2, size=SIZE), "ImageNet", 0.603),
        Source(
            "squeezenet",
            "caffe",
            _restored(_SQUEEZENET, lambda: networks.squeezenet(SIZE)),
            "ImageNet",
            0.575,
        ),
        Source("resnet8", "raw", _net("mlperf_tiny_resnet8_cifar10/pretrainedResnet.h5"), "CIFAR-10"),
        Source("resnet20", "torch", _net("pytorch_resnet_cifar10/resnet20-12fca82f.th"), "CIFAR-10"),
        Source(
            "resnet32",
            _CIFAR_MEAN,
            _restored("lasagne_resnet_cifar10/cifar_model_n5.npz", lambda: networks.resnet(5, 1e-4), _LASAGNE),
            "CIFAR-10",
        ),
        Source("emotion", "tf", _net(_EMOTION), "faces"),
        Source("gender", "tf", _net(_GENDER), "faces"),
        Source("lenet-signs", "unit", _net("tf1_ckpt_lenet_gtsrb/model/model.ckpt.meta"), "traffic signs"),
        Source("cnn-keras", "raw", _net("keras3_mnist_keras_zip_2/mnist.keras"), "MNIST", version=2),
        Source("lenet-caffe", "x*0.00390625", _net("caffe_lenet_mnist/lenet_iter_10000.caffemodel"), "MNIST"),
        Source("cnn-onnx", "raw", _net("onnx_mnist/mnist.onnx"), "MNIST"),
        Source(
            "mlp-32-32-32",
            "unit",
            _restored("tf2_ckpt_mnist_mlp/training_1/cp.ckpt.index", lambda: networks.mlp(32, 32, 32, 10)),
            "MNIST",
        ),
        Source(
            "mlp-40",
            "unit",
            _restored("torchscript_mnist_potato2chip/model_scripted.pt", lambda: networks.mlp(40, 10, bias=False)),
            "MNIST",
        ),
        Source(
            "mlp-512-128-32",
            "unit",
            _restored("safetensors_mnist_dfdx/mnist.safetensors", lambda: networks.mlp(512, 128, 32, 10)),
            "MNIST",
        ),
        Source("own-mnist", "raw", _trained(learning.mnist), "MNIST"),
        Source("own-usps", "raw", _trained(learning.usps), "USPS"),
        Source("own-digits", "raw", _trained(learning.coarse_digits), "digits of 8 x 8"),
        Source("own-omniglot", "raw", _trained(learning.characters), "other alphabets of omniglot"),
        Source("own-shapes", "raw", _trained(learning.shapes), "drawn shapes"),
        Source("own-shuffled", "raw", _trained(learning.shuffled), "MNIST with shuffled labels"),
        Source("own-noise", "raw", _trained(learning.noise), "noise"),
        Source("own-untrained", "raw", lambda: networks.small((28, 28, 1), 10, 0), "nothing"),
    )
}
# What one takes who always takes the best network of ImageNet.
BEST_OF_IMAGENET = max((source for source in SOURCES.values() if source.published), key=lambda s: s.published or 0).name

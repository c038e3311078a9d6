"""The input convention of a network: stated by its own first layers, known by its family, or assumed.

The conventions are those of `keras.applications.<module>.preprocess_input`, for the networks whose first layers do not
do it themselves; and that of torchvision's and timm's weights, for the networks that keep their names (`families`).
"""

import re
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from regraft.core.input_spec import CONVENTIONS, InputSpec
from regraft.core.progress import warn
from regraft.graph import flow, names
from regraft.importers.pretrained import Convention

DEFAULT_SIZE = 224


@dataclass(frozen=True, slots=True)
class Family:
    """Networks of one module of keras.applications, or of one family of PyTorch's.

    Attributes:
        module: its name there; for PyTorch's, `torch.` and the name of the family's file.
        convention: of the network without preprocessing layers of its own.
        signature: patterns of layer names; a network in which each matches some layer is of this family. They are of
            the lowest layers, so that a cut top does not matter, and free of widths.
        size: of the pictures that the published weights were trained on.
        sizes: the same for the members that differ.
    """

    module: str
    convention: str
    signature: tuple[str, ...]
    size: int = DEFAULT_SIZE
    sizes: tuple[tuple[str, int], ...] = ()


_EFFICIENT = (("B0", 224), ("B1", 240), ("B2", 260), ("B3", 300), ("B4", 380), ("B5", 456), ("B6", 528), ("B7", 600))
_EFFICIENT_V2 = (("B0", 224), ("B1", 240), ("B2", 260), ("B3", 300), ("S", 384), ("M", 480), ("L", 480))

# The first match wins: a signature stands before those that it implies.
FAMILIES: tuple[Family, ...] = (
    Family("mobilenet", "tf", ("conv1", "conv1_bn", "conv_dw_1", "conv_pw_1")),
    Family("mobilenet_v2", "tf", ("Conv1", "bn_Conv1", "expanded_conv_depthwise", "expanded_conv_project")),
    Family("mobilenet_v3", "tf", ("conv", "conv_bn", "expanded_conv_depthwise", "expanded_conv_project")),
    Family("resnet_v2", "tf", ("conv1_conv", "conv2_block1_preact_bn", "conv2_block1_1_conv")),
    Family("resnet", "caffe", ("conv1_conv", "conv1_bn", "conv2_block1_1_conv", "conv2_block1_0_conv")),
    Family("densenet", "torch", ("conv1_conv", "conv1_bn", "conv2_block1_0_bn", "conv2_block1_1_conv")),
    Family("xception", "tf", ("block1_conv1", "block1_conv1_bn", "block2_sepconv1"), 299),
    Family("vgg19", "caffe", ("block1_conv1", "block1_conv2", "block2_conv1", "block3_conv4")),
    Family("vgg16", "caffe", ("block1_conv1", "block1_conv2", "block2_conv1")),
    Family("inception_resnet_v2", "tf", ("mixed_5b", "block35_1_conv"), 299),
    Family("inception_v3", "tf", ("mixed0", "mixed1"), 299),
    Family("nasnet", "tf", ("stem_conv1", "stem_bn1", "reduction_conv_1_stem_1"), sizes=(("NASNetLarge", 331),)),
    Family(
        "efficientnet",
        "torch",
        ("stem_conv", "stem_bn", "block1a_dwconv"),
        sizes=tuple((f"EfficientNet{member}", size) for member, size in _EFFICIENT),
    ),
    # The larger members of the second generation, which have a sixth stage this long, scale otherwise.
    Family(
        "efficientnet_v2",
        "x/128-1",
        ("stem_conv", "stem_bn", "block1a_project_conv", "block6n_expand_conv"),
    ),
    Family(
        "efficientnet_v2",
        "torch",
        ("stem_conv", "stem_bn", "block1a_project_conv", "block2a_expand_conv"),
        sizes=tuple((f"EfficientNetV2{member}", size) for member, size in _EFFICIENT_V2),
    ),
    Family("convnext", "torch", (r"convnext_\w+_stem", r"convnext_\w+_stage_0_block_0_depthwise_conv")),
)

# What `importers/families` builds, by the names of PyTorch's modules. Nearly all of their published weights were
# trained on pictures scaled like this.
PYTORCH: tuple[Family, ...] = (
    Family("torch.resnet", "torch", ("conv1", "bn1", "layer1_0_conv1", "layer1_0_bn1")),
    Family(
        "torch.densenet", "torch", ("features_conv0", "features_norm0", r"features_denseblock1_denselayer1_norm_?1")
    ),
    Family("torch.mobilenet_v2", "torch", ("features_0_0", "features_0_1", "features_1_conv_0_0")),
    Family("torch.efficientnet", "torch", ("features_0_0", "features_0_1", "features_1_0_block_0_0")),
    Family("torch.convnext", "torch", ("features_0_0", "features_0_1", "features_1_0_block_0")),
    Family("timm.efficientnet", "torch", ("conv_stem", "bn1", "blocks_0_0_conv_dw")),
    Family("timm.convnext", "torch", ("stem_0", "stem_1", "stages_0_blocks_0_conv_dw")),
    Family("torch.vgg", "torch", ("features_0", r"features_[23]", r"features_[4567]", r"features_(10|11|13|14)")),
)

_OWN_PREPROCESSING = ("Resizing", "CenterCrop", "Rescaling", "Normalization")
_ARITHMETIC = ("Add", "Subtract", "Multiply", "Divide", "TrueDivide")


def input_spec(
    model: keras.Model,
    preprocessing: str | None = None,
    size: int | None = None,
) -> InputSpec:
    """What the model expects at its input; warns where that had to be assumed.

    Args:
        model: any model; where its input is not one tensor of known rank, the result has an empty shape.
        preprocessing: the convention that the user asked for, if any.
        size: height and width in pixels, used where the model leaves them open.

    Raises:
        RequestError: `preprocessing` is not a convention, or not one for this number of channels.
    """
    family = family_of(model)
    spec = _unsaid(model, family, size)
    if preprocessing is not None:
        return spec.with_convention(preprocessing)
    if not spec.is_picture:
        return spec
    if scales_itself(model):
        return spec.with_convention("raw", "stated")
    # The conventions with one mean for each of three channels say nothing about a network for another number.
    if family is not None and (spec.channels == 3 or family.convention not in ("caffe", "torch")):
        return spec.with_convention(family.convention, "known")
    warn(
        f"the input convention of '{model.name}' is neither stated nor known: x / 255 is assumed; "
        f"say which with --preprocessing ({', '.join(CONVENTIONS)} or a formula such as 'x/127.5-1')"
    )
    return spec.with_convention("unit", "assumed")


def stated(model: keras.Model, said: Convention, size: int | None = None) -> InputSpec | None:
    """The input convention that a source states beside the model; None where it is not one for this model's input.

    Args:
        model: what the source was opened as.
        said: by the source.
        size: height and width in pixels, used where the model leaves them open.
    """
    spec = _unsaid(model, family_of(model), size)
    if not spec.is_picture or any(len(part) not in (1, spec.channels) for part in (said.scale, said.offset)):
        return None
    return replace(spec, scale=said.scale, offset=said.offset, order=said.order, name="stated", origin="stated")


def _unsaid(model: keras.Model, family: Family | None, size: int | None) -> InputSpec:
    return InputSpec(_shape(model, size or _resized_to(model) or (family.size if family else DEFAULT_SIZE)))


def _resized_to(model: keras.Model) -> int | None:
    """The height that a model itself first brings its pictures to, as deployable ones do; None where it does not.

    Bringing them to another size before that would only blur them.
    """
    if flow.functional(model) is None:
        return None
    first = next(iter(flow.read(model).calls), None)
    return first.operation.height if first and isinstance(first.operation, keras.layers.Resizing) else None


def family_of(model: keras.Model) -> Family | None:
    """The family that the model is a member of, or is built on, by the names of its layers."""
    found = {path.rpartition("/")[2] for path, _ in names.layers(model)}
    return next((family for family in (*FAMILIES, *PYTORCH) if _matches(family.signature, found)), None)


def size_of(name: str) -> int:
    """Height and width in pixels of the pictures that a function of keras.applications was published for."""
    known = {member: size for family in FAMILIES for member, size in family.sizes}
    by_module = {family.module: family.size for family in FAMILIES}
    module = getattr(keras.applications, name).__module__.rpartition(".")[2]
    return known.get(name, by_module.get(module, DEFAULT_SIZE))


def scales_itself(model: keras.Model) -> bool:
    """Whether the model begins with preprocessing of its own, as layers or as arithmetic on its input."""
    if flow.functional(model) is None:
        return False
    for call in flow.read(model).calls:
        kind = type(call.operation).__name__
        if kind in _OWN_PREPROCESSING or (kind in _ARITHMETIC and not isinstance(call.operation, keras.Layer)):
            return True
        if getattr(call.operation, "weights", ()):
            return False
    return False


def applied(spec: InputSpec, pictures: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Raw RGB pictures as the network takes them.

    Args:
        spec: the convention; its shape plays no part.
        pictures: (n, height, width, channels), 0 to 255.

    Returns:
        float32, the same shape.
    """
    ordered = pictures[..., ::-1] if spec.order == "bgr" else pictures
    scaled = ordered.astype(np.float32) * np.asarray(spec.scale, np.float32) + np.asarray(spec.offset, np.float32)
    return np.ascontiguousarray(scaled)


def _matches(signature: tuple[str, ...], found: set[str]) -> bool:
    return all(any(re.fullmatch(pattern, name) for name in found) for pattern in signature)


def _shape(model: keras.Model, size: int) -> tuple[int, ...]:
    tensors: list[Any] = list(getattr(model, "inputs", None) or [])
    if len(tensors) != 1:
        return ()
    shape: tuple[int | None, ...] = tuple(tensors[0].shape[1:])
    if len(shape) == 3 and shape[-1] is not None:
        shape = (shape[0] or size, shape[1] or size, shape[2])
    known = tuple(side for side in shape if side is not None)
    return known if len(known) == len(shape) else ()

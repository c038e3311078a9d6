"""What the configuration of a Keras layer tells of its variables: their names, in Keras' order."""

import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer or operation of a model's configuration.

    Attributes:
        name: its own name.
        class_name: its class, in the spelling of Keras 3.
        config: its settings; for a model, with `layers`.
        nodes: how it is called, as the file states it.
        build: what the file states about the shapes that it was built for.
        is_layer: false for a bare Keras operation, such as the `+` of two tensors, which is not stored among layers.
        origin: the module that the class comes from, where stated.
    """

    name: str
    class_name: str
    config: Config
    nodes: tuple[Any, ...] = ()
    build: Config | None = None
    is_layer: bool = True
    origin: str = ""

    @property
    def is_sequential(self) -> bool:
        """Whether it is a chain of layers."""
        return self.class_name == "Sequential"

    @property
    def is_model(self) -> bool:
        """Whether it is a graph of layers: Functional (`Model` before TensorFlow 2.4) or Sequential."""
        return self.is_sequential or ("layers" in self.config and "output_layers" in self.config)

    @property
    def layers(self) -> list["Layer"]:
        """The layers of a model, in the file's order."""
        return [described(item) for item in self.config["layers"]]

    @property
    def trainable(self) -> bool:
        """Whether its configuration lets it learn."""
        return bool(self.config.get("trainable", True))


# Keras 1 and 2 had other names for these.
_OLD_CLASSES = {
    "Convolution1D": "Conv1D",
    "Convolution2D": "Conv2D",
    "Convolution3D": "Conv3D",
    "SeparableConvolution2D": "SeparableConv2D",
    "Deconvolution2D": "Conv2DTranspose",
    "Convolution2DTranspose": "Conv2DTranspose",
    "BatchNormalizationV1": "BatchNormalization",
    "BatchNormalizationV2": "BatchNormalization",
    "SyncBatchNormalization": "BatchNormalization",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
}


def described(item: Mapping[str, Any]) -> Layer:
    """A layer from its place in a configuration, of whatever Keras version."""
    config: Any = item.get("config") or {}
    if isinstance(config, list):
        config = {"layers": config}
    elif not isinstance(config, Mapping):
        # A function is described by its name alone.
        config = {}
    name = item.get("name") or config.get("name") or item["class_name"]
    class_name = str(item["class_name"])
    origin = str(item.get("module") or "")
    return Layer(
        name=str(name),
        class_name=_OLD_CLASSES.get(class_name, class_name),
        config=config,
        nodes=tuple(_as_list(item.get("inbound_nodes"))),
        build=item.get("build_config"),
        is_layer=not origin.startswith(("keras.src.ops", "keras.ops")),
        origin=origin,
    )


def _as_list(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable that a layer of some class may have.

    Attributes:
        name: its own name.
        learns: whether it is trainable by nature; statistics are not.
        present: whether a layer of these settings has it; None for always.
        rare: only with settings that hardly anyone uses; not considered where the settings are unknown.
    """

    name: str
    learns: bool = True
    present: Callable[[Config], bool] | None = None
    rare: bool = False


def _when(flag: str, default: bool = True, old: str = "") -> Callable[[Config], bool]:
    return lambda config: bool(config.get(flag, config.get(old, default)))


_BIAS = Variable("bias", present=_when("use_bias", old="bias"))
_LORA = tuple(
    Variable(name, present=_when("lora_rank", False), rare=True) for name in ("lora_kernel_a", "lora_kernel_b")
)
_KERNEL_BIAS = (Variable("kernel"), _BIAS, *_LORA)
_SEPARABLE = (Variable("depthwise_kernel"), Variable("pointwise_kernel"), _BIAS)
_RECURRENT = (Variable("kernel"), Variable("recurrent_kernel"), _BIAS)
_SCALE_CENTER = (Variable("gamma", present=_when("scale")), Variable("beta", present=_when("center")))
_STATISTICS = (Variable("moving_mean", learns=False), Variable("moving_variance", learns=False))
_RENORM = tuple(
    Variable(name, learns=False, present=_when("renorm", False), rare=True)
    for name in ("moving_stddev", "renorm_mean", "renorm_stddev")
)


def _adapts(config: Config) -> bool:
    return config.get("mean") is None


VARIABLES: dict[str, tuple[Variable, ...]] = {
    "Dense": _KERNEL_BIAS,
    "EinsumDense": (Variable("kernel"), Variable("bias", present=_when("bias_axes", False)), *_LORA),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D"), _KERNEL_BIAS),
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), (Variable("kernel"), _BIAS)),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D"), (Variable("kernel"), _BIAS)),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _SEPARABLE),
    **dict.fromkeys(("LSTMCell", "GRUCell", "SimpleRNNCell", "ConvLSTMCell"), _RECURRENT),
    "BatchNormalization": (*_SCALE_CENTER, *_STATISTICS, *_RENORM),
    **dict.fromkeys(("LayerNormalization", "GroupNormalization"), _SCALE_CENTER),
    "RMSNormalization": (Variable("scale"),),
    "Normalization": tuple(Variable(name, False, _adapts) for name in ("mean", "variance", "count")),
    "Embedding": (Variable("embeddings"),),
    "PReLU": (Variable("alpha"),),
    "LayerScale": (Variable("gamma"),),
    "Attention": (
        Variable("scale", present=_when("use_scale", False)),
        Variable("concat_score_weight", present=lambda config: config.get("score_mode") == "concat", rare=True),
    ),
    "AdditiveAttention": (Variable("scale", present=_when("use_scale")),),
}

_CELLS = {
    "LSTM": "LSTMCell",
    "GRU": "GRUCell",
    "SimpleRNN": "SimpleRNNCell",
    "ConvLSTM1D": "ConvLSTMCell",
    "ConvLSTM2D": "ConvLSTMCell",
    "ConvLSTM3D": "ConvLSTMCell",
}
_ATTENTIONS = ("MultiHeadAttention", "GroupQueryAttention", "GroupedQueryAttention")


def own_variables(layer: Layer) -> list[Variable] | None:
    """The variables that a layer holds itself, in Keras' order; None where its class is not known here."""
    known = VARIABLES.get(layer.class_name)
    if known is None:
        return None
    return [variable for variable in known if variable.present is None or variable.present(layer.config)]


def guessed_variables(class_name: str, count: int) -> list[Variable] | None:
    """The variables of a layer whose settings are unknown, where their number leaves only one possibility.

    >>> [variable.name for variable in guessed_variables("Conv2D", 2)]
    ['kernel', 'bias']
    >>> guessed_variables("BatchNormalization", 3) is None
    True
    """
    known = [variable for variable in VARIABLES.get(class_name, ()) if not variable.rare]
    optional = [variable for variable in known if variable.present is not None]
    missing = len(known) - count
    if missing == 0 and known:
        return known
    ways = list(itertools.combinations(optional, missing)) if 0 < missing <= len(optional) else []
    if len(ways) != 1:
        return None
    return [variable for variable in known if variable not in ways[0]]


def children(layer: Layer) -> Iterator[tuple[str, str, Layer]]:
    """The layers that a layer holds, in Keras' order: (path where Keras stores it, canonical path, the layer)."""
    config = layer.config
    if layer.class_name in _CELLS:
        yield "cell", "cell", Layer("cell", _CELLS[layer.class_name], config)
    elif layer.class_name in _ATTENTIONS:
        dense = Layer("", "EinsumDense", {"bias_axes": config.get("use_bias", True), "trainable": layer.trainable})
        for attribute in ("query_dense", "key_dense", "value_dense", "output_dense"):
            yield attribute, attribute, dense
    elif layer.class_name == "Bidirectional" and isinstance(config.get("layer"), Mapping):
        yield "forward_layer", "forward_layer", described(config["layer"])
        yield "backward_layer", "backward_layer", described(config.get("backward_layer") or config["layer"])
    elif layer.class_name == "StackedRNNCells":
        cells = [described(cell) for cell in config.get("cells", ())]
        for index, (stored, cell) in enumerate(zip(stored_names(cells), cells, strict=True)):
            yield f"cells/{stored}", f"cells/{index}", cell
    else:
        for attribute in ("layer", "cell"):
            held = config.get(attribute)
            if isinstance(held, Mapping) and "class_name" in held:
                yield attribute, attribute, described(cast(Config, held))


def stored_names(layers: list[Layer]) -> list[str]:
    """The names under which Keras 3 stores a list of layers: the class in snake case, numbered from the second on."""
    seen: dict[str, int] = {}
    names: list[str] = []
    for layer in layers:
        name = snake_case(layer.class_name)
        count = seen[name] = seen.get(name, -1) + 1
        names.append(f"{name}_{count}" if count else name)
    return names


def snake_case(name: str) -> str:
    """A class name as Keras writes it in files.

    >>> snake_case("DepthwiseConv2D"), snake_case("PReLU"), snake_case("LSTMCell")
    ('depthwise_conv2d', 'p_re_lu', 'lstm_cell')
    """
    name = re.sub(r"\W+", "", name)
    name = re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", name).lower()


def known_class(stored: str) -> str:
    """The class that a stored name such as `conv2d_1` stands for; empty where it is not one of those known here."""
    return _BY_STORED_NAME.get(re.sub(r"_\d+$", "", stored), "")


_BY_STORED_NAME = {snake_case(name): name for name in (*VARIABLES, *_CELLS, *_ATTENTIONS, "Bidirectional")}


def walk(layer: Layer, path: str = "") -> Iterator[tuple[str, Layer]]:
    """Every layer of a model with its canonical path, models before what is in them; the model itself is left out."""
    for inner in layer.layers:
        here = f"{path}{inner.name}"
        yield here, inner
        if inner.is_model:
            yield from walk(inner, f"{here}/")

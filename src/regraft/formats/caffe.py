"""Caffe models (`.caffemodel`), with the `.prototxt` beside them where there is one: weights by layer, the graph."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from regraft.core.errors import CorruptFileError, SourceError
from regraft.core.tensors import OperationGraph, TensorArchive, TensorEntry
from regraft.formats import damage, elements, extents, prototext, wire
from regraft.formats.caffe_graph import drawn
from regraft.formats.caffe_layers import Layer, Network, network_of_binary, network_of_text
from regraft.formats.extents import Extent
from regraft.formats.stated_graph import stated
from regraft.formats.wire import Message

NAME = "caffe"
TITLE = "Caffe model (.caffemodel)"

_WITH_OUTPUTS = ("Convolution", "Deconvolution", "InnerProduct", "Embed")
# What the weights of a layer are, in Caffe's order.
_ROLES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_WITH_OUTPUTS, ("weights", "bias")),
    "BatchNorm": ("mean", "variance", "factor"),
    "Scale": ("scale", "bias"),
    "Bias": ("bias",),
    "PReLU": ("slope",),
    "Normalize": ("scale",),
}
_LARGEST_TEXT = 1 << 24
_MOST_TEXTS = 64


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a `.caffemodel`.

    Its graph is that of the `.prototxt` in the same folder that names its layers (of the same name, or one for
    deployment, if there are several), else that of the network as it was trained, which the file itself holds.

    Args:
        path: the file.
        architecture: not needed.

    Raises:
        CorruptFileError: the file is truncated or was altered, or lacks weights of the `.prototxt` of the same name.
        SourceError: it is of a Caffe before 2014, or the text is that of another network.
    """
    with damage.refusing_damage(path):
        whole, view = extents.whole(path), wire.mapped(path)
        trained = network_of_binary(Message(view))
        tensors = {entry.name: entry for layer in trained.layers for entry in _weights(layer, view, whole)}
        by_layer = {layer.name: _names(layer) for layer in trained.layers if layer.blobs}
        if not tensors:
            raise SourceError(
                f"'{path}': expected layers with weights, found none; give the .caffemodel of the network"
            )
        text, stated = _beside(path, set(by_layer))
        _check_whole(path, text, stated, by_layer)
        _check_sizes(path, text, stated, tensors)
        graph, notes = drawn(stated or trained, by_layer)
    metadata = {
        "path": str(path),
        "name": trained.name or None,
        "prototxt": text.name if text else None,
        "transform": _transform((stated or trained).layers) or _transform(trained.layers) or None,
    }
    unused = [name for name in by_layer if stated is not None and name not in {item.name for item in stated.layers}]
    if unused and text:
        notes.append(f"'{text.name}' lacks layers whose weights are in the file: {', '.join(unused[:4])}")
    return TensorArchive(NAME, tensors, {"graph": graph}, None, metadata, tuple(notes))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations with Caffe's own types and parameters, in its axis order: batch, channels, height, width.

    An operation reads values of the graph, then the tensors of the archive that are its weights.

    Raises:
        SourceError: the file holds no layers that compute something.
    """
    held, operations = stated(archive)
    shapes = {name: tuple(size for size in shape[1:]) for name, shape in held["inputs"].items() if shape}
    return OperationGraph(held["name"], operations, tuple(held["inputs"]), tuple(held["outputs"]), shapes)


def _names(layer: Layer) -> list[str]:
    roles = _ROLES.get(layer.type, ())
    return [
        f"{layer.name}/{roles[index] if index < len(roles) else index}" for index in range(len(layer.blobs))
    ]  # fmt: skip


def _weights(layer: Layer, view: memoryview, whole: Extent) -> list[TensorEntry]:
    return [
        _entry(name, layer, index, blob, view, whole)
        for index, (name, blob) in enumerate(zip(_names(layer), layer.blobs, strict=True))
    ]


def _entry(name: str, layer: Layer, index: int, blob: Message, view: memoryview, whole: Extent) -> TensorEntry:
    number, dtype = (8, "float64") if 8 in blob and 5 not in blob else (5, "float32")
    parts = [whole.within(wire.offset(part, view), len(part), f"'{name}'") for part in blob.views(number) if len(part)]
    shape = _shape(layer, index, blob)
    stored = sum(part.size for part in parts)
    if stored != elements.bytes_of(shape, dtype):
        raise CorruptFileError(
            f"'{whole.path}': '{name}' of shape {shape} and type {dtype} claims {elements.bytes_of(shape, dtype)} "
            f"bytes, {stored} are stored; get the file again"
        )
    return elements.dense(whole.path, name, shape, dtype, lambda: b"".join(part.bytes() for part in parts))


def _shape(layer: Layer, index: int, blob: Message) -> tuple[int, ...]:
    """The shape that a blob states; the first version always stated four sizes, ones first."""
    inner = blob.message(7)
    if inner is not None:
        return elements.checked_shape(inner.integers(1), f"a weight of '{layer.name}'")
    sizes = elements.checked_shape([blob.integer(number) for number in (1, 2, 3, 4)], f"a weight of '{layer.name}'")
    if layer.type in ("Convolution", "Deconvolution") and index == 0:
        return sizes
    least = 2 if layer.type == "InnerProduct" and index == 0 else 1
    while len(sizes) > least and sizes[0] == 1:
        sizes = sizes[1:]
    return sizes


def _beside(path: Path, weighted: set[str]) -> tuple[Path | None, Network | None]:
    """The `.prototxt` that describes the network best, and what it says; None where there is none."""
    found: list[tuple[tuple[bool, int, bool], Path, Network]] = []
    for text in sorted(path.parent.glob("*.prototxt"))[:_MOST_TEXTS]:
        network = _network(text)
        shared = len(weighted & {layer.name for layer in network.layers}) if network else 0
        if network and shared:
            rank = (text.stem == path.stem, shared, "deploy" in text.stem)
            found.append((rank, text, network))
    if not found:
        return None, None
    _, text, network = max(found, key=lambda item: item[0])
    return text, network


def _network(text: Path) -> Network | None:
    """What a `.prototxt` says; None where it is that of something else than a network."""
    if not text.is_file() or text.stat().st_size > _LARGEST_TEXT:
        return None
    with damage.refusing_damage(text):
        block = prototext.parsed(text.read_text("utf-8"))
        return network_of_text(block) if {"layer", "layers"} & set(block) else None


def _check_whole(path: Path, text: Path | None, stated: Network | None, weights: Mapping[str, Sequence[str]]) -> None:
    """Refuse a file that lacks weights which the text of the same name needs: it was cut off between two layers."""
    if text is None or stated is None or text.stem != path.stem:
        return
    needing = (*_ROLES, "LSTM", "RNN")
    missing = [layer.name for layer in stated.layers if layer.type in needing and layer.name not in weights]
    # A layer that scales or shifts by a second input has no weights of its own.
    missing = [name for name in missing if not _by_input(stated, name)]
    if missing:
        raise CorruptFileError(
            f"'{path}' lacks the weights of layer '{missing[0]}', which '{text.name}' names; get both files again"
        )


def _check_sizes(path: Path, text: Path | None, stated: Network | None, tensors: Mapping[str, TensorEntry]) -> None:
    """Refuse a text that asks for other sizes than the weights have: it is that of another network."""
    for layer in stated.layers if stated is not None and text is not None else ():
        wanted, bias = layer.attributes.get("num_output"), tensors.get(f"{layer.name}/bias")
        if isinstance(wanted, int) and bias is not None and bias.size != wanted and layer.type in _WITH_OUTPUTS:
            raise SourceError(
                f"'{text}' asks for {wanted} outputs of layer '{layer.name}', '{path}' holds {bias.size}; expected the "
                ".prototxt that the network was trained with beside it"
            )


def _by_input(network: Network, name: str) -> bool:
    return any(layer.name == name and len(layer.bottoms) > 1 for layer in network.layers)


def _transform(layers: Sequence[Layer]) -> dict[str, Any]:
    """How pictures are prepared, as the first data layer says that is there when the network is used."""
    found = [layer.transform for layer in sorted(layers, key=lambda item: not item.tested) if layer.transform]
    return found[0] if found else {}

"""`.weights.h5` files of Keras 3: variables by position in a tree of containers, no architecture."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from regraft.core.tensors import OperationGraph, TensorArchive
from regraft.formats import damage, hdf5, keras_config, keras_optimizer
from regraft.formats.keras_layers import described
from regraft.formats.keras_names import stored_by_position

NAME = "keras-weights"
TITLE = "Keras 3 weights (.weights.h5)"


def read(path: Path, architecture: Mapping[str, Any] | None = None) -> TensorArchive:
    """Open a `.weights.h5` file.

    Layer names are taken from the file where its Keras version wrote them; kernel, bias and the like from the number of
    variables of a known class. A warning says what is named by position only.

    Args:
        path: the file.
        architecture: the configuration that the weights are for; with it, everything in it has its name.

    Raises:
        CorruptFileError: the file is truncated or was altered.
        SourceError: it refers to other files.
    """
    source = hdf5.source(path)
    with damage.refusing_damage(path), source.opened() as file:
        groups, datasets = hdf5.held(file, source.path)
        named, warnings = stored_by_position(groups, datasets, described(architecture) if architecture else None)
        tensors = {item.name: hdf5.entry(item.name, item.dataset, source) for item in named}
        start = "optimizer/vars/"
        keys = sorted((key for key in datasets if key.startswith(start)), key=lambda key: int(key[len(start) :]))
        arrays = [hdf5.entry(key, datasets[key], source) for key in keys]
        state = None
        if arrays:
            label = groups["optimizer/vars"].attrs.get("name")
            state, more = keras_optimizer.entry(label, arrays, [], alternating=True)
            warnings += more
        labelled = any("name" in group.attrs for name, group in groups.items() if name.endswith("vars"))
    if not labelled and architecture is None:
        warnings.append("the file does not say the names of its layers; they are named by class and position")
    return TensorArchive(NAME, tensors, architecture, state, {"path": str(path)}, tuple(warnings))


def graph(archive: TensorArchive) -> OperationGraph:
    """The operations of the network, where its architecture was given.

    Raises:
        SourceError: it was not: the file itself holds none.
    """
    return keras_config.graph_of(archive)

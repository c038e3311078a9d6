"""Files of Keras: whole models of any version since 1, and weights for a stated architecture.

What Keras before 3 saved is built by `keras_legacy`; what Keras 3 saved, by Keras itself, once its configuration was
looked through and its weights were read and written anew. Nothing in a file is run: Keras' safe mode stays on, unless
the user trusts the file.
"""

import contextlib
import dataclasses
import re
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft import formats
from regraft.core.errors import ProofError, SourceError
from regraft.core.opened import LoadReport
from regraft.core.tensors import TensorArchive
from regraft.graph import names
from regraft.importers import architecture, clean_copy, families, keras_legacy, screening, state_dict, weights_file
from regraft.importers.pretrained import Opened, Request, all_loaded

SUFFIX = {"keras": ".keras", "keras-h5": ".h5", "keras-folder": ""}
_KERAS = {*SUFFIX, "keras-weights", "tfjs"}
_ADDRESS = re.compile(r"zoo:|[a-z0-9]{2,}:(//|[A-Z])")


def handles(request: Request) -> bool:
    """Whether the source is a path."""
    return not isinstance(request.source, keras.Model) and _ADDRESS.match(request.text) is None


def load(request: Request) -> Opened:
    """Open the file; where an architecture is stated, only its weights are taken.

    Raises:
        SourceError: there is no such file, it is of another format, it needs an architecture, or Keras refuses it.
        CorruptFileError: the file is truncated or was altered.
        ProofError: the weights do not fit the architecture, or Keras did not read what the file holds.
    """
    path = Path(request.text)
    if request.architecture is not None:
        formats.sniff(path)
        config = architecture.configuration(request.architecture)
        if config is not None:
            return _described_by(config, path, request.architecture)
        model = architecture.build(request.architecture, request.input_size)
        return Opened(model, weights_file.load_into(model, path))
    archive = formats.read(path)
    if archive.format not in _KERAS and _has_graph(archive):
        raise SourceError(
            f"'{path}', a {formats.FORMATS[archive.format].TITLE}, can be inspected, tensors and graph, but its "
            "graph cannot be converted to Keras yet; build the network in Python and give its weights' file with "
            "--architecture package.module:function, or export it as ONNX"
        )
    if archive.config is None:
        held = state_dict.described(archive) if archive.format in families.FORMATS else "weights"
        raise SourceError(
            f"'{path}' holds {held} but no architecture; say which with --architecture keras:NAME?... or "
            "package.module:function"
        )
    if archive.format == "tfjs" or (keras_legacy.is_old(archive) and not request.trust):
        return keras_legacy.load(archive, path)
    if not request.trust:
        screening.refuse_what_is_not_keras(archive.config, str(path))
        screening.refuse_sizes(archive.config, sum(entry.size for entry in archive.tensors.values()), str(path))
    model = _load_whole(path, archive.format, not request.trust)
    return Opened(model, _report(model, archive, path))


def _has_graph(archive: TensorArchive) -> bool:
    try:
        formats.graph(archive)
    except SourceError:
        return False
    return True


def _described_by(config: Mapping[str, Any], path: Path, described: str) -> Opened:
    """Weights with the configuration that lay beside them."""
    archive = formats.read(path, config)
    version = archive.metadata.get("keras_version") or config.get("keras_version") or "3"
    archive = dataclasses.replace(archive, config=config, metadata={**archive.metadata, "keras_version": version})
    if keras_legacy.is_old(archive):
        return keras_legacy.load(archive, path)
    screening.refuse_what_is_not_keras(config, described)
    screening.refuse_sizes(config, sum(entry.size for entry in archive.tensors.values()), described)
    with refusals(described):
        model = keras.saving.deserialize_keras_object(dict(config), safe_mode=True)
    return Opened(_required(model, Path(described)), weights_file.load_into(model, path))


def _report(model: keras.Model, archive: TensorArchive, path: Path) -> LoadReport:
    """What Keras read, compared with what the file holds, value by value."""
    variables = names.variables(model)
    if set(archive.tensors) != set(variables):
        return LoadReport(
            loaded=tuple(variables), notes=("Keras read the file; not every tensor has a name to compare by",)
        )
    for name, variable in variables.items():
        value = np.asarray(keras.ops.convert_to_numpy(variable))
        if not np.array_equal(
            value, archive.tensors[name].read().astype(value.dtype), equal_nan=value.dtype.kind == "f"
        ):
            raise ProofError(
                f"Keras gave '{name}' other values than '{path}' holds; layers of the file may be in another order"
            )
    return all_loaded(model)


def _load_whole(path: Path, kind: str, safe: bool) -> keras.Model:
    with clean_copy.copied(path, kind) as copy, refusals(path):
        model = keras.saving.load_model(copy, compile=False, safe_mode=safe)
    return _required(model, path)


def _required(model: object, path: Path) -> keras.Model:
    if not isinstance(model, keras.Model):
        raise SourceError(f"expected a model in '{path}', found {type(model).__name__}")
    return model


@contextlib.contextmanager
def refusals(path: Path | str) -> Generator[None]:
    """What Keras raises where it refuses a file, as one line."""
    try:
        yield
    except (
        ValueError,
        TypeError,
        AttributeError,
        KeyError,
        ImportError,
        NotImplementedError,
        RuntimeError,
        OSError,
    ) as error:
        raise SourceError(_refusal(path, str(error))) from error


@contextlib.contextmanager
def under_suffix(path: Path, suffix: str) -> Generator[Path]:
    """The file under a name with the ending by which Keras chooses its reader."""
    if path.is_dir() or path.suffix == suffix or (suffix == ".h5" and path.suffix == ".hdf5"):
        yield path
        return
    with tempfile.TemporaryDirectory() as folder:
        link = Path(folder) / f"model{suffix}"
        link.symlink_to(path.resolve())
        yield link


def _refusal(path: Path | str, said: str) -> str:
    """One line on why Keras does not open a file, and what to do."""
    line = " ".join(said.split())
    way_out = "or give the model itself, or its weights with --architecture package.module:function"
    if "lambda" in line.lower() or "safe_mode" in line or "unsafe" in line.lower():
        return (
            f"'{path}' holds Python code (a Lambda layer or the like), which is not run from a file; "
            f"save the model without it, {way_out}"
        )
    custom = re.search(
        r"Could not locate (?:class|function) '([^']+)'|Unknown (?:layer|object|class)[^']*'([^']+)'", line
    )
    if custom:
        return (
            f"'{path}' needs the custom object '{custom[1] or custom[2]}', which only its author's code defines; "
            f"register it with keras.saving.register_keras_serializable, {way_out}"
        )
    # Keras puts the reason behind the whole configuration of the layer.
    reason = line.rpartition("Exception encountered: ")[2][:300]
    advice = f"convert it with the Keras that wrote it, {way_out}"
    return f"Keras {keras.__version__} does not open '{path}': {reason}; {advice}"

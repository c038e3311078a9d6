"""Models that Keras before 3 saved: from the file's own configuration, rewritten step by step, to a live model.

Keras 3 opens some of them and refuses others; of what it opens, it reads hard_sigmoid and layer order its own way. Here
the configuration is rewritten as plain data (`rewriting`), its layers are looked up in a closed list (`vocabulary`,
`layers`, `operations`), called as the file says (`building`, `scope`, `calls`, `layout`), and given their values by
name (`weights`, `values`). No code from a file is run.
"""

import contextlib
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import keras

from regraft.core.errors import RegraftError, SourceError
from regraft.core.opened import LoadReport
from regraft.core.tensors import TensorArchive
from regraft.formats.keras_layers import described
from regraft.importers.keras_legacy import building, rewriting, values, weights
from regraft.importers.keras_legacy.weights import as_today
from regraft.importers.pretrained import Opened

__all__ = ["as_today", "fresh", "had_channels_first", "is_old", "is_old_configuration", "load"]

# Elements of a network that is built for no file of weights.
_MOST = 1 << 32


def is_old(archive: TensorArchive) -> bool:
    """Whether Keras before 3 saved a model."""
    return values.Origin.of(archive).major < 3


def load(archive: TensorArchive, path: Path) -> Opened:
    """The model of an archive that holds its configuration, with its weights: all of them, or an error and none.

    Args:
        archive: as `formats.read` gives it.
        path: the file, for messages.

    Raises:
        SourceError: the configuration asks for what is not Keras' own, or for what is not translated.
        ProofError: a tensor of the file or a variable of the model has no partner.
        CorruptFileError: the file is truncated or was altered.
    """
    with _refusing(str(path)):
        config = rewriting.rewritten(archive.config or {})
        old = values.Origin.of(archive).major < 3
        elements = sum(entry.size for entry in archive.tensors.values())
        model, whole = building.built(config, str(path), elements, old)
        report = weights.fill(model, archive, described(config), whole.paths, str(path))
    return Opened(model, LoadReport(report.loaded, report.renamed, notes=(*whole.notes, *report.notes)))


def had_channels_first(archive: TensorArchive) -> bool:
    """Whether Keras 1 on Theano saved a model, whose maps were flattened with their channels first."""
    return is_old(archive) and values.Origin.of(archive).outputs_first


def is_old_configuration(config: Mapping[str, Any]) -> bool:
    """Whether a configuration without weights is that of Keras before 3."""
    version = str(config.get("keras_version") or "")
    return "module" not in config if not version else int(version.partition(".")[0]) < 3


def fresh(config: Mapping[str, Any], path: str) -> keras.Model:
    """The model of a configuration, with fresh weights.

    Args:
        config: as Keras before 3 wrote it.
        path: its file, for messages.

    Raises:
        SourceError: it asks for what is not Keras' own, or for what is not translated.
        CorruptFileError: it asks for more weights than any network has.
    """
    with _refusing(path):
        model, _ = building.built(rewriting.rewritten(config), path, _MOST, old_sigmoid=True)
    return model


@contextlib.contextmanager
def _refusing(source: str) -> Generator[None]:
    """One line for whatever a configuration makes Keras stumble over."""
    try:
        yield
    except RegraftError:
        raise
    except Exception as error:
        # Keras has no error of its own; whichever comes, the configuration is what is wrong.
        said = " ".join(str(error).split())
        reason = (said.rpartition("Exception encountered: ")[2] or type(error).__name__)[:300]
        raise SourceError(
            f"'{source}': Keras {keras.__version__} cannot build the network ({reason}); give the model itself, or its "
            "weights with --architecture package.module:function"
        ) from error

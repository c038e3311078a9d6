"""Models that Keras before 3 saved: from the file's own configuration, rewritten step by step, to a live model.

Keras 3 opens some of them and refuses others; of what it opens, it reads hard_sigmoid and layer order its own way. Here
the configuration is rewritten as plain data (`rewriting`), its layers are looked up in a closed list (`vocabulary`,
`layers`, `operations`), called as the file says (`building`, `scope`, `calls`, `layout`), and given their values by
name (`weights`, `values`). No code from a file is run.
"""

import contextlib
from collections.abc import Generator
from pathlib import Path

import keras

from regraft.core.errors import RegraftError, SourceError
from regraft.core.records import LoadReport
from regraft.core.tensors import TensorArchive
from regraft.formats.keras_layers import described
from regraft.importers.keras_legacy import building, rewriting, values, weights
from regraft.importers.keras_legacy.weights import as_today
from regraft.importers.pretrained import Opened

__all__ = ["as_today", "is_old", "load"]


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

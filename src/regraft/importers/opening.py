"""Opening a source: one table of kinds, one way from each of them to a `Pretrained`."""

import dataclasses
import os
from pathlib import Path
from types import ModuleType

import keras

from regraft.core.errors import SourceError
from regraft.core.records import LoadReport
from regraft.importers import conventions, hub, keras_applications, keras_file, labels, live_model, state_dict
from regraft.importers.graphs import converting
from regraft.importers.pretrained import Opened, Pretrained, Request, Source, require_finite

# Each has `handles(request)` and `load(request)`; the first that handles a source loads it.
KINDS: tuple[ModuleType, ...] = (live_model, keras_applications, hub, converting, state_dict, keras_file)


def open(  # noqa: A001 - the verb of the front door, used as `regraft.open`
    source: Source,
    *,
    architecture: str | None = None,
    preprocessing: str | None = None,
    input_size: int | None = None,
    weights: str | None = None,
    trust: bool = False,
) -> Pretrained:
    """Open a pretrained network from wherever it is.

    Args:
        source: a file of a network, or of weights whose names say which, `keras:NAME?argument=value&...`, `hf://...`,
            `kaggle://...`, or a model.
        architecture: what builds the model where the file holds only weights: `keras:NAME?...` or
            `package.module:function`.
        preprocessing: the input convention, where the source's own is not to be used: a key of
            `core.input_spec.CONVENTIONS` or a formula.
        input_size: height and width in pixels. Networks that are built here are built for it, and one that leaves its
            size open gets it; a file of another definite size stays as it is, for `surgery.resize` to rebuild.
        weights: for `keras:` sources: `imagenet`, `none` (random), or a file.
        trust: let Keras run what code a file of Keras holds (Lambda layers); only for a file whose author you trust.

    Returns:
        The model, its input convention, and what became of every tensor. A model given as such is not copied.

    Raises:
        SourceError: the source cannot be opened, or holds weights that are not finite.
        CorruptFileError: a file is truncated or was altered.
        ProofError: a file's weights do not fit the architecture.

    >>> network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()])
    >>> open(network).inputs.name
    'raw'
    """
    text = f"model '{source.name}'" if isinstance(source, keras.Model) else os.fspath(source)
    given = source if isinstance(source, keras.Model) else text
    request = Request(given, text, architecture, input_size, weights, trust)
    _refuse_what_would_be_ignored(request)
    for kind in KINDS:
        if kind.handles(request):
            opened = kind.load(request)
            break
    else:
        raise SourceError(f"expected a file, keras:NAME, hf://... or kaggle://..., found '{text}'")
    require_finite(opened.model, text)
    if opened.inputs is not None and preprocessing is None:
        inputs = opened.inputs
    else:
        inputs = conventions.input_spec(opened.model, preprocessing, input_size or opened.size)
    classes, report = _named(opened, Path(text))
    return Pretrained(opened.model, inputs, report, text, classes)


def _named(opened: Opened, path: Path) -> tuple[tuple[str, ...] | None, LoadReport]:
    """The names of the classes: the source's own, or those in a file of labels beside it, which the report tells."""
    found = labels.beside(path, opened.model) if opened.classes is None and path.exists() else None
    if found is None:
        return opened.classes, opened.report
    names, file = found
    note = f"classes are called as in '{file}' beside it"
    return names, dataclasses.replace(opened.report, notes=(*opened.report.notes, note))


def _refuse_what_would_be_ignored(request: Request) -> None:
    if request.weights is not None and not keras_applications.handles(request):
        raise SourceError(
            f"expected weights only for keras:NAME sources, found weights '{request.weights}' for '{request.text}'; "
            "give the file of weights as the source and say what builds the model as the architecture"
        )
    if request.architecture is not None and not keras_file.handles(request):
        raise SourceError(
            f"expected an architecture only for files, found '{request.architecture}' for '{request.text}'; "
            "leave it out"
        )

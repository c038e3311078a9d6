"""Opening a source: one table of kinds, one way from each of them to a `Pretrained`."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

from regraft.core.errors import SourceError
from regraft.core.opened import LoadReport
from regraft.core.tensors import Shape
from regraft.importers import (
    card_folder,
    catalogued,
    conventions,
    hub,
    keras_applications,
    keras_file,
    labels,
    live_model,
    made_here,
    state_dict,
    torch_module,
)
from regraft.importers.graphs import converting
from regraft.importers.pretrained import Ends, Opened, Pretrained, Request, Source, require_finite

# Each has `handles(request)` and `load(request)`; the first that handles a source loads it.
KINDS: tuple[ModuleType, ...] = (
    live_model,
    torch_module,
    catalogued,
    card_folder,
    keras_applications,
    hub,
    made_here,
    converting,
    state_dict,
    keras_file,
)


def open(  # noqa: A001 - the verb of the front door, used as `regraft.open`
    source: Source,
    *,
    architecture: str | None = None,
    preprocessing: str | None = None,
    input_size: int | None = None,
    weights: str | None = None,
    trust: bool = False,
    example: Any = None,
    inputs: str | Iterable[str] | Mapping[str, Shape | None] | None = None,
    outputs: str | Iterable[str] | None = None,
    signature: str | None = None,
) -> Pretrained:
    """Open a pretrained network from wherever it is.

    Args:
        source: a file of a network, or of weights whose names say which, the folder of a run or of a pretraining,
            `keras:NAME?argument=value&...`, `zoo:NAME[@VERSION]`, `hf://...`, `kaggle://...`, a `keras.Model`, or a
            `torch.nn.Module` with an example.
        architecture: what builds the model where the file holds only weights: `keras:NAME?...` or
            `package.module:function`.
        preprocessing: the input convention, where the source's own is not to be used: a key of
            `core.input_spec.CONVENTIONS` or a formula.
        input_size: height and width in pixels. Networks that are built here are built for it, and one that leaves its
            size open gets it; a file of another definite size stays as it is, for `surgery.resize` to rebuild.
        weights: for `keras:` sources: `imagenet`, `none` (random), or a file.
        trust: let Keras run what code a file of Keras holds (Lambda layers); only for a file whose author you trust.
        example: what a `torch.nn.Module` is called with, the axis of examples first: a tensor or an array, a tuple of
            them, or a dictionary by argument.
        inputs: the values of a graph file that the network is to begin at, by name, in place of those that the file
            states: a name, several, or a mapping to shapes without the batch, for values whose shape is not known.
        outputs: the values that it is to end at.
        signature: of a SavedModel, whose ends it is to have.

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
    text = named(source)
    given = source if isinstance(source, keras.Model) or torch_module.is_module(source) else text
    ends = Ends.of(inputs, outputs, signature)
    request = Request(given, text, architecture, input_size, weights, trust, example, ends)
    _refuse_what_would_be_ignored(request)
    for kind in KINDS:
        if kind.handles(request):
            opened = kind.load(request)
            break
    else:
        raise SourceError(f"expected a file, keras:NAME, zoo:NAME, hf://... or kaggle://..., found '{text}'")
    require_finite(opened.model, text)
    if opened.inputs is not None and preprocessing is None:
        spec = opened.inputs
    else:
        spec = conventions.input_spec(opened.model, preprocessing, input_size or opened.size)
    classes, report = _with_classes(opened, Path(text))
    return Pretrained(opened.model, spec, report, opened.source or text, classes)


def named(source: Source) -> str:
    """The source in words, for messages and records."""
    if isinstance(source, keras.Model):
        return f"model '{source.name}'"
    return f"module '{type(source).__name__}'" if torch_module.is_module(source) else os.fspath(source)


def _with_classes(opened: Opened, path: Path) -> tuple[tuple[str, ...] | None, LoadReport]:
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
    if request.architecture is not None and (not keras_file.handles(request) or torch_module.handles(request)):
        raise SourceError(
            f"expected an architecture only for files, found '{request.architecture}' for '{request.text}'; "
            "leave it out"
        )
    if request.ends is not None and not converting.handles(request):
        raise SourceError(
            "expected inputs, outputs and a signature only for graph files, found them for "
            f"'{request.text}'; leave them out, and cut the model with regraft.cut"
        )
    if request.example is not None and not torch_module.handles(request):
        raise SourceError(
            f"expected an example only for a torch.nn.Module, found one for '{request.text}'; leave it out"
        )

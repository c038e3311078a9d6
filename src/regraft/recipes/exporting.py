"""A finished run in the form that others take: its model as a Keras file, a SavedModel, an ONNX file; its numbers."""

import contextlib
import importlib
import itertools
import json
import logging
import shutil
import warnings
from collections.abc import Callable, Generator
from pathlib import Path
from types import ModuleType
from typing import Any

import keras

from regraft.core import plain, storage
from regraft.core.errors import RequestError, WorkError
from regraft.core.input_spec import InputSpec
from regraft.core.progress import say
from regraft.recipes import run_folder
from regraft.recipes.export_kinds import known
from regraft.recipes.running import Run
from regraft.recipes.tracking import TRACKERS
from regraft.recipes.using import input_spec
from regraft.surgery.cut import cut

LABELS = "labels.txt"
INPUT, OUTPUT, LABEL = "examples", "probabilities", "label"
# Opset 18 is what ONNX Runtime 1.14 (2023) and later read.
_OPSET = 18
# How `surgery.graft` calls the layer that brings pictures to the network's size.
_RESIZING = "resizing"


def export(run: Run, kind: str, out: Path | None = None) -> Path:
    """Write the deployable model of a run for other programs, or its numbers for those that keep many runs.

    What the model takes and answers stays the same everywhere. It takes raw examples as float32, pictures with values
    from 0 to 255 of any size (batch, height, width, channels), and answers probabilities (batch, classes); resizing and
    scaling are inside.

    Args:
        run: a finished run.
        kind: `keras`: one file that Keras 3 loads without Regraft, on any backend. `savedmodel`: a folder for
            TensorFlow and TensorFlow Serving, which also answers the name of the likeliest class; the names are in
            `assets/labels.txt`. `onnx`: one file with the names and the input convention in its metadata.
            `tensorboard`, `mlflow`: curves, figures with their intervals, plan and report instead of the model.
        out: the file or folder to write; an existing file is replaced. None: the run's own `model.keras`, or a new
            place below `exported` in the run folder, for a SavedModel in the layout that TensorFlow Serving wants;
            for `mlflow` the server that `MLFLOW_TRACKING_URI` names, if it names one.

    Returns:
        Where it is.

    Raises:
        RequestError: the kind is unknown, this kind cannot be made by this backend, a package is missing, or `out` is a
            folder that is there already.
        WorkError: an operation of the network has no counterpart in the format.
        StorageError: the disk refused.
    """
    return KINDS[known(kind)](run, None if out is None else Path(out))


def _keras(run: Run, out: Path | None) -> Path:
    own = run.folder / run_folder.MODEL
    if out is None or out.absolute() == own.absolute():
        run_folder.require_model(run.folder)
        return own
    if own.exists():
        storage.write_with(_file(out, ".keras"), lambda partial: shutil.copyfile(own, partial))
    else:
        run_folder.save_model_as(_file(out, ".keras"), run.model, run.record)
    return out


def _savedmodel(run: Run, out: Path | None) -> Path:
    tf = _tensorflow("savedmodel")
    out = out or _next_version(run.folder / run_folder.EXPORTED / "savedmodel")
    if out.exists():
        raise RequestError(
            f"expected a new folder for the SavedModel, found something at '{out}'; name another with --out"
        )
    model, classes = run.model, list(run.record.classes)
    names = tf.constant(classes)

    def serve(examples: Any) -> dict[str, Any]:
        made = model(examples, training=False)
        return {OUTPUT: made, LABEL: tf.gather(names, tf.argmax(made, axis=-1))}

    module = tf.Module()
    module.variables_of_model = [variable.value for variable in model.variables]
    module.serve = tf.function(serve, input_signature=[_signature(tf, model)], autograph=False)
    with storage.replacing(out) as partial, _quiet():
        labels = partial.parent / LABELS
        labels.write_text("".join(f"{name}\n" for name in classes), encoding="utf-8")
        module.labels = tf.saved_model.Asset(str(labels))
        tf.saved_model.save(module, str(partial), signatures={"serving_default": module.serve})
    say(
        f"TensorFlow Serving takes it as --model_base_path={out.parent.absolute()}"
        if out.name.isdigit()
        else f"'{out}'"
    )
    return out


def _onnx(run: Run, out: Path | None) -> Path:
    tf = _tensorflow("onnx")
    converter, onnx = _package("tf2onnx"), _package("onnx")
    model, inputs = run.model, input_spec(run)
    signature = [_signature(tf, model)]
    # ONNX has no counterpart of TensorFlow's antialiased resizing, so it is written out in plain arithmetic.
    rest = cut(model, _RESIZING)[1] if inputs.is_picture else model

    def serve(examples: Any) -> dict[str, Any]:
        prepared = resized(examples, inputs) if inputs.is_picture else examples
        return {OUTPUT: rest(prepared, training=False)}

    function = tf.function(serve, input_signature=signature, autograph=False)
    made = _converted(converter, onnx, function, signature, run)
    made.doc_string = f"{', '.join(run.record.classes)}; made by Regraft from {run.record.plan.source}"
    onnx.helper.set_model_props(made, _metadata(run, inputs))
    path = _file(out or run.folder / run_folder.EXPORTED / "model.onnx", ".onnx")
    storage.write_with(path, lambda partial: onnx.save_model(made, str(partial)))
    return path


def _converted(converter: Any, onnx: Any, function: Any, signature: list[Any], run: Run) -> Any:
    try:
        with _quiet():
            made, _ = converter.convert.from_function(function, signature, opset=_OPSET)
            onnx.checker.check_model(made)
    except Exception as error:  # Each converter has its own; what matters is which operation it cannot say.
        reason = " ".join(str(error).split())[:200]
        raise WorkError(
            f"the model of '{run.folder}' has no form in ONNX opset {_OPSET}: {reason}; export to savedmodel or keras"
        ) from error
    return made


def _tracked(kind: str) -> Callable[[Run, Path | None], Path]:
    return lambda run, out: TRACKERS[kind](run.folder, run.record, out)


KINDS: dict[str, Callable[[Run, Path | None], Path]] = {
    "keras": _keras,
    "savedmodel": _savedmodel,
    "onnx": _onnx,
    **{kind: _tracked(kind) for kind in TRACKERS},
}


def resized(pictures: Any, inputs: InputSpec) -> Any:
    """What the model's own resizing layer makes of pictures, as two products with matrices, in TensorFlow operations.

    Bilinear, antialiased resizing is linear along each axis: an output is a mean of inputs, weighted by a triangle that
    is as wide as the step from one output to the next, where that is above one (so TensorFlow's ScaleAndTranslate).

    Args:
        pictures: float32 (batch, height, width, channels).
        inputs: the input convention.

    Returns:
        float32 (batch, *inputs.shape), the layer's result up to rounding: 1e-3 of 255.
    """
    tf: Any = importlib.import_module("tensorflow")
    height, width = tf.shape(pictures)[1], tf.shape(pictures)[2]
    size = inputs.shape[:2]
    rows = _weights(tf, height, size[0], _window(tf, height, width, size, inputs))
    columns = _weights(tf, width, size[1], _window(tf, width, height, size[::-1], inputs))
    return tf.einsum("jw,biwc->bijc", columns, tf.einsum("ih,bhwc->biwc", rows, pictures))


def _window(tf: Any, length: Any, other: Any, size: tuple[int, ...], inputs: InputSpec) -> tuple[Any, Any]:
    """Start and length of the part of an axis that is brought to `size[0]`, by the layer's own rounding."""
    if inputs.resizing == "stretch":
        return tf.constant(0), length
    fitting = tf.cast(tf.cast(other * size[0], tf.float32) / size[1], tf.int32)
    if inputs.resizing == "crop":
        taken = tf.maximum(tf.minimum(length, fitting), 1)
        return tf.cast(tf.cast(length - taken, tf.float32) / 2, tf.int32), taken
    border = tf.cast(tf.cast(tf.maximum(length, fitting) - length, tf.float32) / 2, tf.int32)
    return -border, length + 2 * border


def _weights(tf: Any, length: Any, size: int, window: tuple[Any, Any]) -> Any:
    """(size, length): how much each input counts for each output; borders outside of the picture are black."""
    start, taken = window
    step = tf.cast(taken, tf.float32) / size
    centres = (tf.range(size, dtype=tf.float32) + 0.5) * step
    places = tf.cast(tf.range(taken), tf.float32) + 0.5
    weights = tf.nn.relu(1 - tf.abs(places[None] - centres[:, None]) / tf.maximum(step, 1.0))
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    inside = weights[:, tf.maximum(-start, 0) : tf.maximum(-start, 0) + length]
    before = tf.maximum(start, 0)
    return tf.pad(inside, [[0, 0], [before, length - before - tf.shape(inside)[1]]])


def _metadata(run: Run, inputs: InputSpec) -> dict[str, str]:
    takes = "pictures of any size, values from 0 to 255" if inputs.is_picture else f"arrays of shape {inputs.shape}"
    return {
        "classes": json.dumps(list(run.record.classes), ensure_ascii=False),
        "input": f"raw {takes}, float32 (batch, {'height, width, channels' if inputs.is_picture else '...'})",
        "preprocessing": plain.to_json(inputs, indent=None),
        "made_by": "regraft",
    }


def _signature(tf: Any, model: keras.Model) -> Any:
    (taken,) = model.inputs
    return tf.TensorSpec((None, *taken.shape[1:]), tf.float32, name=INPUT)


def _tensorflow(kind: str) -> ModuleType:
    if keras.backend.backend() != "tensorflow":
        raise RequestError(
            f"expected Keras on TensorFlow to export to {kind}, found Keras on {keras.backend.backend()}; "
            "a run is the same on every backend: say it again with KERAS_BACKEND=tensorflow"
        )
    return importlib.import_module("tensorflow")


def _package(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise RequestError(f"exporting to ONNX needs {name}; install it with: pip install 'regraft[onnx]'") from None


def _file(path: Path, ending: str) -> Path:
    if path.is_dir():
        raise RequestError(f"expected a file to write, found the folder '{path}'; say '{path / f'model{ending}'}'")
    if path.suffix != ending:
        raise RequestError(f"expected a file name that ends in {ending}, found '{path}'; say '{path}{ending}'")
    return path


def _next_version(folder: Path) -> Path:
    return next(folder / str(number) for number in itertools.count(1) if not (folder / str(number)).exists())


@contextlib.contextmanager
def _quiet() -> Generator[None]:
    """Without what TensorFlow and tf2onnx say about their own insides."""
    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

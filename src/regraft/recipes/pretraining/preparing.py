"""What a new network is to take: the kind of data, the size of pictures, the scale of numbers."""

from dataclasses import replace
from typing import Any

import numpy as np

from regraft.core import text_spec
from regraft.core.errors import DataError, RequestError
from regraft.core.input_spec import InputSpec
from regraft.core.pretraining import Asked, Kind
from regraft.core.progress import say, warn
from regraft.core.text_spec import TextSpec
from regraft.data import Examples, UnreadableExample
from regraft.data.in_memory import is_picture
from regraft.recipes.encoding import lengths, leniently, lost, require_different, table_for, tell_of_long_ones, texts_of
from regraft.recipes.pretraining.rows import readable

Array = np.ndarray[Any, Any]

# Where pictures differ in size and nobody says one.
_SIDE = 64
_LOOKED_AT = 16
# Examples that the scale of numbers is worked out from.
_MEASURED = 20_000
# Values whose deviation is below this part of their mean are the same but for rounding.
_SAME = 1e-7
# A network may see so many times as many tokens as there are in any text; what is behind them is padding.
_PADDED = 4


def kind_of(examples: Examples) -> Kind:
    """Whether examples are texts, rows of a table, pictures or plain numbers."""
    if examples.columns is not None:
        return "text" if examples.columns.of_text else "table"
    return "pictures" if examples.shape is None or is_picture(examples.shape) else "numbers"


def inputs_for(examples: Examples, training: Array, asked: Asked) -> InputSpec:
    """The input convention of a network that is made for these examples.

    Args:
        examples: where they come from.
        training: int64 (n,), those that are learnt from; the scale, or the vocabulary, is theirs.
        asked: the scaling of numbers, the size of pictures, the tokens of texts.

    Raises:
        DataError: all examples are the same, or none of the pictures can be read; a column has one value or none, or a
            text is too long, and it is not asked to be lenient; if it is asked to be strict, a column is of no use or a
            text is longer than the network sees.
        RequestError: a size is said, and they are no pictures, or a length that no text comes near.
    """
    kind, scaling, size = kind_of(examples), asked.scaling, asked.input_size
    if kind != "table":
        # Of a table its columns are told of.
        require_different(examples, training)
    if kind == "text" and size is None:
        return _texts(examples, training, asked)
    if kind == "table" and size is None:
        spec = table_for(examples, training, scaling != "none", strict=asked.strict, lenient=asked.lenient)
        return InputSpec((spec.width,), table=spec, name="table", origin="requested")
    if kind == "pictures":
        shape = _picture_shape(examples, training, size)
        return InputSpec(shape, scale=(1 / 255,), name="unit", origin="requested")
    if size is not None:
        raise RequestError(
            f"expected pictures for an input size, found examples of shape {examples.shape}; leave it out"
        )
    assert examples.shape is not None
    plain = InputSpec(examples.shape, origin="requested")
    chosen = training[:: max(1, len(training) // _MEASURED)]
    rows = np.stack([row for _, row in readable(examples, chosen, plain)])
    low, high = float(rows.min()), float(rows.max())
    mean, deviation = _moments(rows)
    constant = deviation <= _SAME * np.maximum(1.0, np.abs(mean))
    _tell_of_constant(constant, examples, asked.strict)
    if scaling == "auto":
        is_bytes = examples.read(int(training[0]), None).dtype == np.uint8
        scaling = "unit" if is_bytes else "none" if low >= 0 and high <= 1 else "standard"
        if is_bytes:
            low, high = 0.0, 255.0
    if scaling == "none":
        return plain
    if scaling == "unit":
        return replace(plain, scale=(1 / (high - low),), offset=(-low / (high - low),), name="unit")
    scale = 1.0 / np.where(constant, 1.0, deviation)
    return replace(plain, scale=tuple(scale.tolist()), offset=tuple((-mean * scale).tolist()), name="standard")


def _texts(examples: Examples, training: Array, asked: Asked) -> InputSpec:
    spec = text_spec.learn(texts_of(examples, training), asked.tokens, asked.vocabulary)
    found = lengths(examples, spec)
    unit, longest = asked.tokens, int(found.max(initial=0))
    length = asked.length or text_spec.length_for(found[training], unit)
    most = _PADDED * max(longest, text_spec.LONGEST[unit])
    if length > most:
        raise RequestError(
            f"expected a length of {most:,} {unit} at most, found {length:,}: the longest text of {examples.origin} "
            f"has {longest:,}, and a network takes time and memory for all of them"
        )
    if not asked.lenient:
        # A length below what is usual, where nearly all texts are that short, loses little.
        _refuse_long_ones(found, asked.length or text_spec.LONGEST[unit], length, spec, examples, asked.strict)
    read = f"{length} {unit} each, of {spec.size:,} different ones"
    say(f"{len(training):,} texts of {examples.origin} are read as {read}")
    otherwise = "" if asked.length else "; --length says otherwise"
    tell_of_long_ones(found, length, spec, examples, otherwise, asked.strict)
    return InputSpec((length,), text=spec, name="text", origin="requested")


def _refuse_long_ones(found: Array, limit: int, length: int, spec: TextSpec, examples: Examples, strict: bool) -> None:
    """Refuse texts that are too long.

    Args:
        found: how many tokens each text has.
        limit: how many one may have.
        length: how many the network would see.
        spec: how texts become ids.
        examples: those texts.
        strict: whether that was asked for, which the way out takes the place of.

    Raises:
        DataError: there is one.
    """
    longer = int((found > limit).sum())
    if not longer:
        return
    longest, name, unit = int(found.max()), examples.names[int(found.argmax())], spec.unit
    raise DataError(
        f"expected texts of {limit:,} {unit} at most in {examples.origin}, found {longer:,} of {len(found):,} longer, "
        f"the longest with {longest:,} ('{name}'); let the network see all of them with "
        f"--length {text_spec.in_eights(longest)}, or cut them with {leniently(strict)}, which loses "
        f"{lost(found, length)} of all {unit}; in Python length= and lenient=True"
    )


def _moments(rows: Array) -> tuple[Array, Array]:
    """Mean and deviation of each value along the last axis."""
    flat = rows.reshape(-1, rows.shape[-1]).astype(np.float64)
    return flat.mean(axis=0), flat.std(axis=0)


def _tell_of_constant(constant: Array, examples: Examples, strict: bool) -> None:
    """Warn of values that are the same in all examples, bool (d,).

    Raises:
        DataError: all are, or, if `strict`, one is.
    """
    places = np.flatnonzero(constant).tolist()
    if not places:
        return
    named = ", ".join(map(str, places[:5])) + (", ..." if len(places) > 5 else "")
    said = f"{len(places)} of {len(constant)} values are the same in all examples of {examples.origin} ({named})"
    if len(places) == len(constant):
        raise DataError(f"{said}: there is nothing to learn")
    if strict:
        raise DataError(f"{said}; remove them, or do without strict")
    warn(f"{said}; nothing can be learnt from them")


def _some(examples: Examples, indices: Array) -> list[Array]:
    """The first of some examples that can be read.

    Raises:
        DataError: none can.
    """
    found: list[Array] = []
    reasons: list[str] = []
    for index in indices.tolist():
        try:
            found += examples.load([index])
        except UnreadableExample as error:
            reasons.append(str(error))
        if len(found) == _LOOKED_AT:
            break
    if not found:
        raise DataError(f"none of {len(reasons):,} pictures of {examples.origin} can be read, first: {reasons[0]}")
    return found


def _picture_shape(examples: Examples, training: Array, size: int | None) -> tuple[int, int, int]:
    if examples.shape is not None:
        height, width, channels = examples.shape
        return (size or height, size or width, channels)
    raw = _some(examples, training)
    shapes = {tuple(picture.shape[:2]) for picture in raw}
    gray = all((picture == picture[..., :1]).all() for picture in raw)
    channels = 1 if gray else 3
    if size is not None:
        return (size, size, channels)
    if len(shapes) == 1:
        height, width = shapes.pop()
        if max(height, width) <= 2 * _SIDE:
            return (height, width, channels)
    say(f"pictures are brought to {_SIDE} x {_SIDE} pixels; --input-size says otherwise")
    return (_SIDE, _SIDE, channels)

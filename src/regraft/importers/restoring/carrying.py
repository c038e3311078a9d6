"""Values from tensors to variables, all computed before any is assigned, and one row for every name on both sides."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np

from regraft.core import steps
from regraft.core.errors import ProofError, RequestError, SourceError
from regraft.core.layouts import Place
from regraft.core.opened import LoadReport, Mismatch, Transformed
from regraft.graph import names
from regraft.importers.restoring import excusing
from regraft.importers.restoring.matching import Matched, Move
from regraft.importers.restoring.sources import Source

Array = np.ndarray[Any, Any]


def computed(
    moves: Sequence[Move], source: Source, places: Mapping[str, Place], dtypes: Mapping[str, str]
) -> tuple[dict[str, Array], dict[Move, Mismatch]]:
    """The values of variables by name, and the moves whose values do not fit.

    Raises:
        RequestError: a step cannot be done to the values.
        SourceError: values are not finite.
        CorruptFileError: the source no longer gives its values.
    """
    values: dict[str, Array] = {}
    wrong: dict[Move, Mismatch] = {}
    for move in moves:
        wanted = [places[name] for name in move.variables]
        arrays = [np.asarray(source.tensors[name].read()) for name in move.tensors]
        try:
            made = steps.applied(move.steps or (), arrays, wanted)
        except RequestError as error:
            raise RequestError(f"rule '{move.rule}', tensor '{move.tensors[0]}': {error}") from None
        misfit = _misfit(move, made, wanted, dtypes)
        if misfit is not None:
            wrong[move] = misfit
            continue
        for place, value in zip(wanted, made, strict=True):
            values[place.name] = _finite(value.astype(_plain(dtypes[place.name])), move.tensors[0], source)
    return values, wrong


def report(
    matched: Matched,
    moves: Sequence[Move],
    wrong: Mapping[Move, Mismatch],
    source: Source,
    places: Sequence[Place],
    notes: Sequence[str] = (),
) -> LoadReport:
    """One row for every tensor of the source and every variable of the model.

    Args:
        matched: what the rules said.
        moves: the same, with their steps.
        wrong: those that do not fit.
        source: that they come from.
        places: all variables of the model.
        notes: what was found out about steps.
    """
    good = [move for move in moves if move not in wrong]
    plain = [move for move in good if not _is_changed(move, source)]
    used = {name for move in moves for name in move.tensors} | set(matched.skipped)
    given = {name for move in moves for name in move.variables} | set(matched.kept)
    strays = dict(matched.strays)
    return LoadReport(
        loaded=tuple(move.tensors[0] for move in plain if move.tensors == move.variables),
        renamed=tuple((move.tensors[0], move.variables[0]) for move in plain if move.tensors != move.variables),
        skipped=(*source.constants, *_in_file(matched.skipped, source)),
        missing=tuple(place.name for place in places if place.name not in given),
        unused=_in_file([name for name in source.tensors if name not in used], source),
        notes=(
            *source.notes,
            *notes,
            *(f"a rule sends '{name}' to '{target}', which the model does not have" for name, target in strays.items()),
        ),
        transformed=tuple(
            Transformed(_in_file(move.tensors, source), move.variables, _words(move, source))
            for move in good
            if _is_changed(move, source)
        ),
        kept=matched.kept,
        mismatched=tuple(wrong.values()),
        slots=source.slots,
    )


def is_complete(load: LoadReport) -> bool:
    """Whether every tensor and every variable has its place, or a rule that leaves it out."""
    return not (load.missing or load.unused or load.mismatched)


def require_complete(
    load: LoadReport, source: str, target: str, hint: str, strays: Mapping[str, str] | None = None
) -> None:
    """Raise unless every tensor and every variable has its place, or a rule that leaves it out.

    Args:
        load: the report.
        source: for the message.
        target: for the message.
        hint: how to ask for less than everything.
        strays: tensors that rules send to variables that are not there, with the names of these.

    Raises:
        ProofError: it names what has no place, and the rules that would excuse it.
    """
    if is_complete(load):
        return
    shown = [
        f"{', '.join(item.tensors)} ({item.found}) for {', '.join(item.variables)} ({item.expected})"
        for item in load.mismatched
    ]
    titles: dict[str, Sequence[str]] = {
        "unused from the source": [
            f"{name} (a rule sends it to '{strays[name]}', which is not there)" if strays and name in strays else name
            for name in load.unused
        ],
        "still random in the model": load.missing,
        "of another shape or type": shown,
    }
    said = "; ".join(f"{title}: {_some(items)}" for title, items in titles.items() if items)
    wrong_tensors = [name for item in load.mismatched for name in item.tensors]
    wrong_variables = [name for item in load.mismatched for name in item.variables]
    used = [*load.loaded, *(old for old, _ in load.renamed), *(n for t in load.transformed for n in t.tensors)]
    given = [*load.loaded, *(new for _, new in load.renamed), *(n for t in load.transformed for n in t.variables)]
    excuses = [
        *(f"'skip {pattern}'" for pattern in excusing.patterns([*load.unused, *wrong_tensors], used)),
        *(f"'keep {pattern}'" for pattern in excusing.patterns([*load.missing, *wrong_variables], given)),
    ]
    raise ProofError(
        f"expected a place for every tensor of {source} and every variable of {target}; {said}; excuse them with the "
        f"rules {_some(excuses, 6)}, or {hint}"
    )


def assign(model: keras.Model, values: Mapping[str, Array]) -> None:
    """Give variables of a model their values, in place."""
    variables = names.variables(model)
    for name, value in values.items():
        variables[name].assign(value)
    names.refresh(model)


def _misfit(move: Move, made: Sequence[Array], wanted: Sequence[Place], dtypes: Mapping[str, str]) -> Mismatch | None:
    shapes = [value.shape for value in made], [place.shape for place in wanted]
    if shapes[0] != shapes[1]:
        return Mismatch(move.tensors, move.variables, _shapes(shapes[0]), _shapes(shapes[1]))
    for value, place in zip(made, wanted, strict=True):
        kind = np.dtype(_plain(dtypes[place.name])).kind
        # Texts are no values, and integers for a weight are not its values but their quantised form.
        if value.dtype.kind in "OSU" or (value.dtype.kind in "iub" and kind not in "iub"):
            return Mismatch(move.tensors, move.variables, value.dtype.name, dtypes[place.name])
    return None


def _plain(dtype: str) -> str:
    """A type that NumPy knows: Keras takes float32 values for a bfloat16 variable."""
    return "float32" if dtype in ("bfloat16", "float8_e4m3fn", "float8_e5m2") else dtype


def _finite(value: Array, name: str, source: Source) -> Array:
    if value.dtype.kind == "f" and not np.isfinite(value).all():
        raise SourceError(f"expected finite values, found NaN or infinity in '{name}' of {source.text}")
    return value


def _is_changed(move: Move, source: Source) -> bool:
    done = [step for step in move.steps or () if step.kind != "as-is"]
    return bool(done) or len(move.tensors) > 1 or any(name in source.changed for name in move.tensors)


def _words(move: Move, source: Source) -> str:
    before = next((source.changed[name] for name in move.tensors if name in source.changed), None)
    return " | ".join([*([before] if before else []), *map(str, move.steps or ())])


def _in_file(tensors: Sequence[str], source: Source) -> tuple[str, ...]:
    """Names as the file has them."""
    return tuple(dict.fromkeys(old for name in tensors for old in source.own.get(name, (name,))))


def _shapes(shapes: Sequence[tuple[int, ...]]) -> str:
    return " and ".join("x".join(map(str, shape)) or "scalar" for shape in shapes)


def _some(items: Sequence[str], most: int = 3) -> str:
    return ", ".join(items[:most]) + (f", ... ({len(items)} in all)" if len(items) > most else "")

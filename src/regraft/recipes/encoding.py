"""How texts and rows of a table become the numbers that a network takes: the source says it, or examples teach it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.core import table_spec, text_spec
from regraft.core.columns import Columns
from regraft.core.errors import DataError, RequestError, SourceError
from regraft.core.input_spec import InputSpec
from regraft.core.plan import Plan
from regraft.core.progress import say, track, warn
from regraft.core.table_spec import Learnt, LeftOut, TableSpec
from regraft.core.text_spec import TextSpec
from regraft.data import Examples
from regraft.graph import flow
from regraft.importers import Pretrained

Array = np.ndarray[Any, Any]

_LARGEST_FILE = 1 << 28
# Rows that are looked at for values that the network does not know, and how many such are worth a word.
_LOOKED_AT = 2000
_STRANGE = 3


def encoded(pretrained: Pretrained, examples: Examples, plan: Plan) -> Pretrained:
    """The source with the way in which these examples become its input.

    Pictures and arrays need none, and the source is what it was.

    Args:
        pretrained: the source.
        examples: of which only the training examples are learnt from.
        plan: what it says of tokens and of a vocabulary; with `input`, it says all.

    Raises:
        SourceError: the source takes something else.
        DataError: all training examples are the same, no column says anything, or one that the source was trained on is
            missing; a column that the source does not know has one value or none, and the plan is not lenient; in a
            strict plan, a column is of no use or a text is longer than the network sees.
        RequestError: words of the plan that do not go together.
    """
    columns = examples.columns
    if columns is None:
        _refuse_words(plan)
        require_different(examples, examples.indices("train"))
        return pretrained
    shape = _shape(pretrained, "texts" if columns.of_text else "rows of a table")
    if columns.of_text:
        inputs = with_texts(pretrained, examples, plan, shape)
    else:
        inputs = with_rows(pretrained, examples, plan, shape)
    return replace(pretrained, inputs=inputs)


def with_texts(pretrained: Pretrained, examples: Examples, plan: Plan, shape: tuple[int, ...]) -> InputSpec:
    """The input convention for texts, with what is longer than the network sees said."""
    inputs = pretrained.inputs
    if inputs.table is not None:
        raise SourceError(
            f"expected rows with the columns {_some(inputs.table.names)}, which '{pretrained.source}' takes, found "
            f"texts in {examples.origin}"
        )
    spec = inputs.text
    if spec is None:
        spec = vocabulary_for(examples, plan, known_ids(pretrained.model), pretrained.source)
    elif plan.tokens is not None and plan.tokens != spec.unit:
        raise RequestError(f"'{pretrained.source}' takes {spec.unit}, and {plan.tokens} were asked for; leave that out")
    _require_known(spec, known_ids(pretrained.model), pretrained.source)
    tell_of_long_ones(lengths(examples, spec), shape[0], spec, examples, strict=plan.strict)
    return replace(inputs, shape=shape, text=spec, scale=(1.0,), offset=(0.0,))


def with_rows(pretrained: Pretrained, examples: Examples, plan: Plan, shape: tuple[int, ...]) -> InputSpec:
    """The input convention for rows of a table, with the columns that are of no use said."""
    inputs, columns = pretrained.inputs, examples.columns or Columns()
    if inputs.text is not None:
        raise SourceError(
            f"expected texts, which '{pretrained.source}' takes, found rows with the columns {_some(columns.features)} "
            f"in {examples.origin}; say which is text with --text-column"
        )
    if inputs.table is not None:
        if columns.label in inputs.table.names and columns.label not in columns.features:
            raise SourceError(
                f"'{pretrained.source}' takes '{columns.label}', the column of labels in {examples.origin}, as one of "
                f"its inputs; make that source again with --label-column {columns.label}"
            )
        # Refused here, before anything is computed, where a column is missing.
        table_spec.encoder(inputs.table, columns.features, examples.origin)
        ignored = [name for name in columns.features if name not in inputs.table.names]
        if ignored:
            warn(f"'{pretrained.source}' was not trained on the columns {_some(ignored)} of {examples.origin}")
        tell_of_unknown_values(examples, inputs.table)
        return inputs
    spec = table_for(examples, standardise=plan.preprocessing != "raw", strict=plan.strict, lenient=plan.lenient)
    if spec.width != int(np.prod(shape)):
        raise SourceError(
            f"the {len(spec.columns)} columns of {examples.origin} become {spec.width} values ({_counted(spec)}), and "
            f"'{pretrained.source}' takes {shape}; give a network for {spec.width}, or say which columns to read with "
            "--columns"
        )
    return replace(inputs, shape=shape, table=spec, scale=(1.0,), offset=(0.0,))


def vocabulary_for(examples: Examples, plan: Plan, most: int | None, source: str) -> TextSpec:
    """The vocabulary of a file that the plan names, or one learnt from the training examples, which is warned of.

    Args:
        examples: texts.
        plan: what it says of tokens and of a vocabulary.
        most: how many ids there may be; None: as many as are usual.
        source: of a network that was perhaps trained before: its ids are lost.
    """
    if plan.vocabulary is not None:
        return read_vocabulary(Path(plan.vocabulary), plan.tokens or "words")
    unit = plan.tokens or "words"
    spec = text_spec.learn(texts_of(examples, examples.indices("train")), unit, most)
    warn(
        f"'{source}' does not say which id is which token: a vocabulary of {spec.size:,} {unit} was learnt from the "
        f"training texts of {examples.origin}; what it had learnt of ids before fits others now, where it had learnt "
        "anything: give its own with --vocabulary"
    )
    return spec


def require_different(examples: Examples, training: Array) -> None:
    """Refuse examples that are all the same: nothing can be learnt from them.

    Raises:
        DataError: they are; it names the values that an example has.
    """
    digests = examples.ids.digests[training]
    if len(digests) < 2 or (digests != digests[0]).any():
        return
    shape = examples.shape or ()
    places = f" in each of the values {_some(range(shape[0]))}" if len(shape) == 1 and examples.columns is None else ""
    raise DataError(
        f"all {len(digests):,} training examples in {examples.origin} are the same{places}: there is nothing to learn"
    )


def table_for(
    examples: Examples,
    training: Array | None = None,
    standardise: bool = True,
    *,
    strict: bool = False,
    lenient: bool = False,
) -> TableSpec:
    """Means, scales and values of the columns, learnt from examples; columns that are left out are warned of.

    Args:
        examples: rows.
        training: indices of those to learn from; None: the training examples.
        standardise: else numbers stay as they are.
        strict: no column is left out.
        lenient: a column with one value or none is left out; else it is an error.

    Raises:
        DataError: no column says anything, or one that may not be left out does not.
    """
    columns = examples.columns or Columns()
    rows = [raw.tolist() for raw in examples.load(examples.indices("train") if training is None else training)]
    try:
        learnt = table_spec.learn(columns.features, rows, columns.categories, standardise)
    except DataError as error:
        raise DataError(f"{examples.origin}: {error}") from None
    _refuse_columns(learnt, examples.origin, strict, lenient)
    if learnt.left_out:
        warn(f"left out of {examples.origin}: {_listed(learnt.left_out)}")
    if learnt.doubtful:
        more = f"; and {len(learnt.doubtful) - 3} more" if len(learnt.doubtful) > 3 else ""
        warn(f"of {examples.origin}: {'; '.join(learnt.doubtful[:3])}{more}")
    spec = learnt.spec
    say(f"{len(spec.columns)} columns of {examples.origin} become {spec.width} values ({_counted(spec)})")
    return spec


def _refuse_columns(learnt: Learnt, origin: str, strict: bool, lenient: bool) -> None:
    """Refuse columns of no use: those that are constant unless that is let pass, and others where all are asked for.

    Raises:
        DataError: there is one.
    """
    constant = [column for column in learnt.left_out if column.constant]
    refused = learnt.left_out if strict else [] if lenient else constant
    if not refused:
        return
    otherwise = "do without strict"
    if constant:
        otherwise = f"leave these out with {leniently(strict)}; in Python columns= and lenient=True"
    raise DataError(
        f"of no use in {origin}: {_listed(refused)}; name the columns to read with --columns, or {otherwise}"
    )


def leniently(strict: bool) -> str:
    """The option that lets pass what is refused, for messages to those who were perhaps strict."""
    return "--lenient in place of --strict" if strict else "--lenient"


def tell_of_unknown_values(examples: Examples, spec: TableSpec) -> None:
    """Warn of categories whose values are hardly ever among those that the network knows."""
    columns = examples.columns or Columns()
    places = {name: place for place, name in enumerate(columns.features)}
    categories = [column for column in spec.columns if column.kind == "category" and column.name in places]
    if not categories:
        return
    rows = [raw.tolist() for raw in examples.load(np.arange(min(len(examples), _LOOKED_AT)))]
    for column in categories:
        present, strange, first = table_spec.unknown(column, [row[places[column.name]] for row in rows])
        if strange >= _STRANGE and strange > present / 2:
            warn(
                f"the network does not know {strange:,} of the first {present:,} values in the column '{column.name}' "
                f"of {examples.origin}, such as '{first[:40]}', and takes them as missing; it knows "
                f"'{column.values[0][:40]}'"
            )


def texts_of(examples: Examples, indices: Array) -> Iterator[str]:
    """The texts of examples, one after the other."""
    return (str(examples.load([index])[0][0]) for index in indices.tolist())


def lengths(examples: Examples, spec: TextSpec) -> Array:
    """How many tokens each text has, int64 (n,)."""
    encode = text_spec.encoder(spec)
    indices = track(range(len(examples)), f"Reading {examples.origin}", total=len(examples))
    return np.array([len(encode(str(examples.load([index])[0][0]))) for index in indices], np.int64)


def read_vocabulary(path: Path, unit: text_spec.Unit) -> TextSpec:
    """The vocabulary in a file; see `core.text_spec.read_vocabulary`.

    Raises:
        RequestError: it cannot be read, or is none.
    """
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise RequestError(f"expected a vocabulary in '{path}', found {path.stat().st_size:,} bytes")
        return text_spec.read_vocabulary(path.read_text(encoding="utf-8-sig"), str(path), unit)
    except (OSError, UnicodeDecodeError) as error:
        raise RequestError(f"cannot read the vocabulary '{path}': {error}") from None


def known_ids(model: keras.Model) -> int | None:
    """How many ids the lowest Embedding of a network knows; None where it has none."""
    if flow.functional(model) is None:
        return None
    found = (call.operation for call in flow.read(model).calls if isinstance(call.operation, keras.layers.Embedding))
    first: Any = next(found, None)
    return None if first is None else int(first.input_dim)


def _shape(pretrained: Pretrained, wanted: str) -> tuple[int, ...]:
    """Of the input of a network that takes one vector for each example."""
    shape = pretrained.inputs.shape
    if pretrained.inputs.is_picture:
        raise SourceError(
            f"expected a network for {wanted}, found '{pretrained.source}', which takes pictures {shape}; choose a "
            f"network for {wanted}"
        )
    if len(shape) != 1:
        given = [tuple(tensor.shape[1:]) for tensor in getattr(pretrained.model, "inputs", None) or ()]
        raise SourceError(
            f"expected a network that takes one vector of a fixed length, for {wanted}, found the "
            f"input{'s' if len(given) > 1 else ''} {', '.join(map(str, given)) or 'of no stated shape'} in "
            f"'{pretrained.source}'; rebuild it with keras.Input((length,))"
        )
    return shape


def _require_known(spec: TextSpec, most: int | None, source: str) -> None:
    if most is not None and spec.size > most:
        raise SourceError(
            f"the vocabulary has {spec.size:,} ids, and the Embedding of '{source}' knows {most:,}; give the one that "
            "it was trained with"
        )


def tell_of_long_ones(
    found: Array, limit: int, spec: TextSpec, examples: Examples, otherwise: str = "", strict: bool = False
) -> None:
    """Warn of texts that the network does not see whole, in one line.

    Args:
        found: how many tokens each text has.
        limit: how many the network sees.
        spec: how texts become ids.
        examples: those texts.
        otherwise: how the network would see more.
        strict: there must be none.

    Raises:
        DataError: there is one, and `strict`.
    """
    longer = int((found > limit).sum())
    if longer:
        end = "end" if spec.at_end else "beginning"
        said = (
            f"{longer:,} of {len(found):,} texts of {examples.origin} have more than the {limit} {spec.unit} that the "
            f"network sees, up to {int(found.max()):,} ('{examples.names[int(found.argmax())]}'): their {end} is left "
            f"out, {lost(found, limit)} of all {spec.unit}{otherwise}"
        )
        if strict:
            raise DataError(f"{said}; shorten them, or do without strict")
        warn(said)


def lost(found: Array, limit: int) -> str:
    """Which part of the tokens of texts, some of them longer, is not seen: in percents that say neither none nor all.

    Args:
        found: how many tokens each text has.
        limit: how many of each are seen.
    """
    share = float(np.maximum(found - limit, 0).sum() / found.sum())
    return "less than 1%" if share < 0.005 else "more than 99%" if share >= 0.995 else f"{share:.0%}"


def _refuse_words(plan: Plan) -> None:
    for name, value in (("tokens", plan.tokens), ("a vocabulary", plan.vocabulary)):
        if value is not None:
            raise RequestError(f"{name} are for texts, and these examples are none; say which column is text")


def _counted(spec: TableSpec) -> str:
    numbers = sum(column.kind == "number" for column in spec.columns)
    gaps = sum(column.indicator for column in spec.columns)
    parts = [f"{numbers} of numbers"] if numbers else []
    parts += [f"{gaps} of them with gaps"] if gaps else []
    parts += [f"{len(spec.columns) - numbers} of categories"] if numbers < len(spec.columns) else []
    return ", ".join(parts)


def _listed(left_out: Sequence[LeftOut]) -> str:
    """Why columns are of no use; of those beyond the first at least the name: whoever misses one looks for it here."""
    others = [column.name for column in left_out[3:]]
    more = f"; and {len(others)} more: {_some(others)}" if others else ""
    return f"{'; '.join(map(str, left_out[:3]))}{more}"


def _some(names: Any) -> str:
    named = [str(name) for name in names]
    return f"{', '.join(named[:4])}{f' and {len(named) - 4} more' if len(named) > 4 else ''}"

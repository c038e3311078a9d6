"""Law 12: Plan <-> TOML and record <-> JSON are identities, for every document type."""

import dataclasses
import json
import types
import typing
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from regraft.core import card, depth, plain, plan, records
from regraft.core.card import Architecture, Card, LayerFacts, OptimizerFacts
from regraft.core.columns import Columns
from regraft.core.head_spec import HeadSpec
from regraft.core.input_spec import InputSpec
from regraft.core.phase import Phase
from regraft.core.plan import FineTuneSpec, Plan, SplitSpec
from regraft.core.records import RunRecord
from regraft.core.table_spec import Column, TableSpec
from regraft.core.text_spec import TextSpec

_RECORDS = [kind for kind in vars(records).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)]
_CARDS = [Card, Architecture, LayerFacts, OptimizerFacts, card.TensorFacts, card.DataFacts, card.Lineage]
_SEARCHES = [depth.Way, depth.Trial, depth.Stretch, depth.Forecast, depth.Recommended]
_PLANS = [kind for kind in vars(plan).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)]

# The run record has all the others inside and is slow to draw.
_EXAMPLES = {False: 50, True: 20}
_LARGE = (RunRecord, Card)

_ODD_TEXT = st.sampled_from(["", '"', "'''", "\\", "\x00\x7f\x85\u2028", "\r\n", "\ufeff", "[a]\nb = 1", "é😀", "auto"])
_TEXT = st.text(max_size=6) | _ODD_TEXT
# File names that are not UTF-8 reach Python as lone low surrogates. TOML has no form for them, JSON has.
_NAMES = _TEXT | st.text(st.sampled_from("a\udc80\udcff"), max_size=3)

_DIGESTS = st.text("0123456789abcdef", min_size=64, max_size=64)
_PART = st.floats(0, 1, exclude_max=True)
_COUNT = st.integers(1, 10**6)
_FINITE = st.floats(allow_nan=False, allow_infinity=False)
_ABOVE = st.floats(0, exclude_min=True, allow_infinity=False)
_NOT_BELOW = st.floats(0, allow_infinity=False)
# What a phase may be: its figures have bounds.
_PHASE: dict[str, st.SearchStrategy[Any]] = {
    "rate": _ABOVE | st.just("find"),
    "layer_decay": _ABOVE,
    "drops": st.lists(st.floats(0, 1, exclude_min=True, exclude_max=True), max_size=3, unique=True).map(
        lambda parts: tuple(sorted(parts))
    ),
    **dict.fromkeys(("warmup", "dropout", "label_smoothing", "feature_brightness", "moving_average"), _PART),
    "floor": st.none() | _PART,
    **dict.fromkeys(("feature_noise", "weight_decay", "l2_sp"), _NOT_BELOW),
    **dict.fromkeys(("clip_norm", "clip_value"), st.none() | _ABOVE),
    **dict.fromkeys(("cycles", "batch_size", "accumulate", "calibration"), _COUNT),
    **dict.fromkeys(("epochs", "steps", "patience"), st.none() | _COUNT),
}


def _documents(kind: Any, numbers: st.SearchStrategy[float], text: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Any value of a type, as its annotations say."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)

    def of(part: Any) -> st.SearchStrategy[Any]:
        return _documents(part, numbers, text)

    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        drawn = {field.name: of(hints[field.name]) for field in dataclasses.fields(kind)}
        if kind is SplitSpec:
            drawn = {"validation": st.floats(0, 0.49), "test": st.floats(0, 0.5)}
        if issubclass(kind, Phase):
            drawn |= _PHASE
        if kind is FineTuneSpec:
            drawn["average"] = st.floats(0, 1, exclude_min=True) | st.just("auto")
            drawn["phases"] = st.lists(of(Phase), max_size=2, unique_by=lambda phase: phase.name).map(tuple)
        if kind is HeadSpec:
            linear = {**drawn, "hidden": st.just(()), "learning": st.none()}
            drawn["hidden"] = st.lists(st.integers(1, 16_384), min_size=1, max_size=3).map(tuple)
            return st.builds(kind, **linear) | st.builds(kind, **drawn)
        if kind is InputSpec:
            drawn["shape"] = st.lists(st.integers(1, 512), max_size=4).map(tuple)
            drawn["scale"] = drawn["offset"] = st.tuples(numbers)
        if kind is TextSpec:
            few = st.lists(text, min_size=3, max_size=4).map(tuple)
            drawn |= {"tokens": few, **dict.fromkeys(("padding",), st.integers(0, 2))}
            drawn |= dict.fromkeys(("unknown", "mask"), st.integers(-1, 2))
        if kind is Column:
            drawn |= {"mean": _FINITE, "scale": st.floats(1e-300, 1e300)}
        if kind is TableSpec:
            drawn["columns"] = st.lists(of(Column), max_size=2, unique_by=lambda column: column.name).map(tuple)
        if kind is Columns:
            several = st.lists(st.sampled_from("abc"), max_size=2, unique=True).map(tuple)
            apart = {"label": st.none() | st.just("y"), "group": st.none() | st.just("who")}
            rows = {**drawn, **apart, "text": st.none(), "features": several}
            texts = {**rows, "text": st.just("t"), **dict.fromkeys(("features", "categories"), st.just(()))}
            return st.builds(kind, **rows) | st.builds(kind, **texts)
        if kind in (Card, Architecture, OptimizerFacts):
            drawn["digest"] = _DIGESTS
        if kind is LayerFacts:
            drawn["digest"] = _DIGESTS | st.just("")
        if kind is Card:
            drawn |= {"name": st.sampled_from(["a", "flowers-v2.1_b"]), "version": st.integers(0, 10**6)}
            drawn |= {"format": st.just(card.FORMAT)}
        if kind is Plan:
            drawn["format"] = st.just(plan.FORMAT)
            drawn["cache_budget"] = st.none() | st.integers(1) | st.sampled_from(["500MB", "1.5 gb"])
            limited = st.sampled_from([None, 1]).flatmap(
                lambda views: st.builds(kind, **{**drawn, "views": st.just(views), "strict": st.just(False)})
            )
            drawn |= {"views": st.none() | st.integers(1, plan.MOST_VIEWS), "lenient": st.just(False)}
            return limited | st.builds(kind, **{**drawn, "augment": st.sampled_from([("crop",), plan.CHANGES])})
        return st.builds(kind, **drawn)
    if origin in (typing.Union, types.UnionType):
        return st.one_of(*(of(argument) for argument in arguments))
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin is tuple and arguments[1:] == (Ellipsis,):
        return st.lists(of(arguments[0]), max_size=2).map(tuple)
    if origin is tuple:
        return st.tuples(*(of(argument) for argument in arguments))
    if origin is Mapping:
        return st.dictionaries(of(arguments[0]), of(arguments[1]), max_size=2)
    scalars = {str: text, int: st.integers(), float: numbers, bool: st.booleans(), type(None): st.none(), Any: text}
    return scalars[kind]


# Representations are compared: unlike `==` they tell 1 from 1.0 and 0.0 from -0.0, and find NaN equal to itself.


@given(_documents(Plan, st.floats(), _TEXT))
def test_a_plan_comes_back_from_toml_as_it_was(document: Plan) -> None:
    assert repr(plan.from_toml(plan.to_toml(document))) == repr(document)


@pytest.mark.parametrize("kind", [*_RECORDS, *_CARDS, *_SEARCHES])
def test_a_record_comes_back_from_json_as_it_was(kind: type[Any]) -> None:
    @settings(max_examples=_EXAMPLES[kind in _LARGE])
    @given(_documents(kind, st.floats(allow_nan=False, allow_infinity=False), _NAMES))
    def holds(document: Any) -> None:
        text = plain.to_json(document)
        assert repr(plain.from_plain(kind, json.loads(text.encode()))) == repr(document)

    holds()


@pytest.mark.parametrize("kind", [*_RECORDS, *_CARDS, *_SEARCHES])
def test_numbers_that_json_lacks_come_back_as_nan_and_leave_the_rest_as_it_was(kind: type[Any]) -> None:
    @settings(max_examples=_EXAMPLES[kind in _LARGE])
    @given(_documents(kind, st.sampled_from([float("nan"), float("inf"), -float("inf"), 1.5]), _TEXT))
    def holds(document: Any) -> None:
        text = plain.to_json(document)
        table = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
        assert plain.to_json(plain.from_plain(kind, table)) == text

    holds()


@pytest.mark.parametrize("kind", _PLANS)
def test_what_may_be_none_is_none_by_default_since_toml_leaves_it_out(kind: type[Any]) -> None:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if type(None) in typing.get_args(hints[field.name]):
            assert field.default is None, field.name

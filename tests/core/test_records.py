"""Records: frozen, small, and what `fit --json` promises; the identity is in tests/laws/test_documents.py."""

import dataclasses
import json
from typing import Any

import pytest

from regraft.core import plain, records
from regraft.core.errors import RequestError
from regraft.core.opened import LoadReport
from regraft.core.records import CutPoint, Epoch, Metric, RunRecord

_RECORDS = [kind for kind in vars(records).values() if isinstance(kind, type) and dataclasses.is_dataclass(kind)]


@pytest.mark.parametrize("kind", _RECORDS)
def test_a_record_is_frozen_and_slotted(kind: Any) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)


@pytest.mark.parametrize("kind", _RECORDS)
def test_every_attribute_of_a_record_that_lists_them_is_described(kind: Any) -> None:
    described, _, listed = kind.__doc__.partition("Attributes:")
    names = [field.name for field in dataclasses.fields(kind)]
    assert described.strip()
    if listed:
        assert [name for name in names if f"\n        {name}: " not in listed] == []


def test_the_run_record_has_what_fit_promises_to_print() -> None:
    promised = {"run", "model", "report", "classes", "cut_point", "reused_layers", "frozen_variables"}
    promised |= {
        "trainable_variables",
        "metrics",
        "baselines",
        "transfer_gain",
        "load",
        "certificate",
        "cache",
        "seconds",
    }
    assert promised <= {field.name for field in dataclasses.fields(RunRecord)}
    assert {field.name for field in dataclasses.fields(records.CacheUse)} == {"bytes", "hits", "computed"}


def test_a_metric_is_printed_as_the_design_says() -> None:
    assert json.loads(plain.to_json(Metric(0.5, (0.25, 0.75)))) == {"value": 0.5, "interval": [0.25, 0.75]}


def test_open_sizes_and_pairs_come_back() -> None:
    for record in (CutPoint("a/b", 3, (None, None, 8), 10), LoadReport(renamed=(("a", "b"),), notes=("x",))):
        assert plain.from_plain(type(record), json.loads(plain.to_json(record))) == record


def test_a_loss_that_is_not_a_number_is_none_where_the_field_allows_it() -> None:
    epoch = Epoch("head", 1, float("nan"), 0.1, 0.5, float("inf"), 1.0)
    again = plain.from_plain(Epoch, json.loads(plain.to_json(epoch)))
    assert again.loss is None
    assert repr(again.validation_loss) == "nan"


def test_a_misspelt_key_names_the_nearest_one() -> None:
    with pytest.raises(RequestError, match=r"^unknown key 'intervall'; nearest known names: interval, value$"):
        plain.from_plain(Metric, {"value": 1.0, "intervall": [0.0, 1.0]})

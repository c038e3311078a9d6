"""What is concluded from a record."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import pytest

from regraft.core.records import DataSummary, Drift, Metric, RunRecord
from regraft.report import reading
from regraft.report.plots import strip


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (Metric(0.1, (0.05, 0.15)), "helped"),
        (Metric(-0.1, (-0.15, -0.05)), "hurt"),
        (Metric(0.1, (-0.05, 0.25)), "unclear"),
        (Metric(0.1, (0.0, 0.2)), "unclear"),
        (Metric(math.nan, (math.nan, math.nan)), "unmeasured"),
        (None, "unmeasured"),
    ],
)
def test_outcome_follows_the_interval(good_record: RunRecord, gain: Metric | None, expected: str) -> None:
    assert reading.outcome(dataclasses.replace(good_record, transfer_gain=gain)) == expected


def test_parts_count_layers_and_variables(good_record: RunRecord) -> None:
    found = {part.kind: part for part in reading.parts(good_record)}
    assert list(found) == ["frozen", "trained", "head", "dropped"]
    assert (found["frozen"].layers, found["trained"].layers, found["dropped"].layers) == (57, 12, 4)
    assert found["trained"].note == "4 variables learnt, 16 stayed frozen (BatchNorm)"
    assert found["head"].note == "2 variables, 5 classes"


def test_layers_that_stayed_above_one_that_learnt_are_told(good_record: RunRecord) -> None:
    # BatchNorm layers among those that learn are what a policy says, and no surprise.
    assert not reading.is_scattered(good_record)
    lowest = good_record.reused_layers[0]
    moving = tuple(name for name in good_record.frozen_variables if name.rpartition("/")[0] == lowest)
    scattered = dataclasses.replace(
        good_record,
        trained_from="input",
        trainable_variables=(*moving, "head/kernel", "head/bias"),
        frozen_variables=tuple({*good_record.frozen_variables, *good_record.trainable_variables[:-2]} - {*moving}),
        drift=(Drift(lowest, 0.1, False),),
    )
    assert reading.is_scattered(scattered)
    assert reading.learnt_layers(scattered) == (lowest,)
    figure = strip.draw(scattered)
    assert figure is not None
    said = figure.caption.replace("\N{NO-BREAK SPACE}", " ")
    assert said == f"Of {len(good_record.reused_layers)} reused layers, 1 learnt with the new head; no other moved."
    assert "learnt above" not in figure.drawing
    assert "learnt above" in strip.draw(good_record).drawing  # pyright: ignore[reportOptionalMemberAccess]


def test_trained_layers_come_from_drift_where_the_cut_is_no_layer(records: Mapping[str, RunRecord]) -> None:
    record = records["huge"]
    assert record.trained_from not in record.reused_layers
    assert reading.trained_layers(record) == tuple(layer.layer for layer in record.drift if not layer.frozen)


def test_what_fine_tuning_learnt_from_is_said(good_record: RunRecord) -> None:
    def said(**options: Any) -> str:
        spec = dataclasses.replace(good_record.plan.fine_tune, **options.pop("fine_tune", {}))
        plan = dataclasses.replace(good_record.plan, fine_tune=spec, **options)
        return reading.learnt_from(dataclasses.replace(good_record, plan=plan))

    assert said(views=1) == "Fine-tuning learnt from each example as it is."
    assert said(views=3, augment=("crop", "colour"), fine_tune={"feature_brightness": 0.2}) == (
        "Fine-tuning drew one of 3 views of each picture per epoch (the picture, a crop, a crop in changed colours); "
        "activations were multiplied by 0.8 to 1.2, anew in each epoch."
    )
    both = {"feature_brightness": 0.25, "feature_noise": 0.1}
    assert said(views=1, fine_tune=both) == (
        "Fine-tuning learnt from each example as it is; activations were multiplied by 0.75 to 1.25 and given noise of "
        "0.1 of each channel's standard deviation, anew in each epoch."
    )
    head = dataclasses.replace(good_record, history=good_record.history[:2])
    assert reading.learnt_from(head) == ""


def test_confused_pairs_are_sorted_by_count(good_record: RunRecord) -> None:
    record = dataclasses.replace(good_record, classes=("a", "b", "c"), confusion=((8, 2, 0), (1, 9, 5), (2, 0, 2)))
    pairs = [(pair.actual, pair.predicted, pair.examples, pair.share) for pair in reading.confused_pairs(record, 3)]
    assert pairs == [("b", "c", 5, pytest.approx(1 / 3)), ("c", "a", 2, 0.5), ("a", "b", 2, 0.2)]


def test_class_rows_leave_open_what_the_record_does_not_say(good_record: RunRecord) -> None:
    data = DataSummary({"train": 3, "test": 2}, {"train": {"daisy": 3}})
    record = dataclasses.replace(good_record, data=data, confusion=((1, 1, 0, 0, 0),))
    daisy, dandelion = reading.class_rows(record)[:2]
    assert (daisy.examples, daisy.recall) == ((3, None), 0.5)
    assert (dandelion.examples, dandelion.recall) == ((0, None), None)


def test_stages_add_up_to_the_total(good_record: RunRecord) -> None:
    record = dataclasses.replace(good_record, seconds={"open": 2.0, "head": 3.0, "total": 6.0})
    assert reading.stages(record) == (("open", 2.0), ("head", 3.0), ("other", 1.0))
    assert reading.stages(dataclasses.replace(record, seconds={"open": 2.0, "total": 2.001})) == (("open", 2.0),)

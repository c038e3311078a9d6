"""What others are told are the record's own numbers, each once, and only such as can be drawn."""

import dataclasses
import math
from pathlib import Path

from regraft.core.records import Metric, RunRecord
from regraft.core.similarity import Similarity
from regraft.recipes.tracking import figures
from tests.recipes.tracking.conftest import ENDED, written
from tests.report.conftest import RECORDS
from tests.report.depth_records import DEPTH_RECORDS, cut


def test_figures_come_with_their_intervals(record: RunRecord) -> None:
    found = figures.figures(record)
    accuracy = record.metrics["test"].accuracy
    names = ("test/accuracy", "test/accuracy_low", "test/accuracy_high")
    assert [found[name] for name in names] == [accuracy.value, *accuracy.interval]
    assert found["baselines/from_scratch"] == record.baselines["from_scratch"].accuracy.value
    assert found["transfer_gain_low"] == 0.318
    assert found["seconds/fine_tune"] == 37.6
    assert found["certificate/frozen_unchanged"] == 1.0
    assert {name.partition("/")[0] for name in found} == {
        "validation", "test", "baselines", "transfer_gain", "transfer_gain_low", "transfer_gain_high", "gains",
        "seconds", "variables", "certificate",
    }  # fmt: skip


def test_every_gain_over_what_does_without_the_source_is_told(record: RunRecord) -> None:
    gains = {"scratch": Metric(0.4, (0.3, 0.5)), "random_trunk": Metric(0.2, (0.1, 0.3))}
    gains["raw_inputs"] = Metric(0.1, (-0.1, 0.3))
    found = figures.figures(dataclasses.replace(record, gains=gains))
    for name, gain in gains.items():
        told = [found[f"gains/{name}{end}"] for end in ("", "_low", "_high")]
        assert told == [gain.value, *gain.interval]
    # A record of before there were more of them has one.
    assert {name for name in figures.figures(record) if name.startswith("gains/")} == {
        "gains/scratch", "gains/scratch_low", "gains/scratch_high",
    }  # fmt: skip


def test_what_is_no_number_is_left_out() -> None:
    record = RECORDS["undefined"]()
    assert all(map(math.isfinite, figures.figures(record).values()))
    assert "test/accuracy" not in figures.figures(record)
    search = DEPTH_RECORDS["undefined"]()
    assert all(math.isfinite(point.value) for point in figures.curves(record, 0.0, search))
    assert "depth/accuracy" not in figures.figures(record, search)


def test_curves_count_epochs_through_all_phases_and_know_when(folder: Path, record: RunRecord) -> None:
    begun, ended = figures.times(folder, record)
    assert (begun, ended) == (ENDED - 104.4, ENDED)
    found = [point for point in figures.curves(record, begun) if point.name == "learning/validation_accuracy"]
    assert [point.value for point in found] == [epoch.validation_accuracy for epoch in record.history]
    assert [point.step for point in found] == list(range(len(record.history)))
    # 1.9 s of opening and 14.2 s of activations come before, then 2.1 s of the head and 3.4 s of each epoch.
    assert found[3].seconds - begun == 1.9 + 14.2 + 2.1 + 2 * 3.4
    rates = [point.value for point in figures.curves(record, begun) if point.name == "learning/rate"]
    assert rates == [epoch.rate for epoch in record.history]
    losses = [point.step for point in figures.curves(record, begun) if point.name == "learning/training_loss"]
    assert losses == [step for step, epoch in enumerate(record.history) if epoch.loss is not None]
    assert figures.phases(record) == [("head", 0, 1), ("fine_tune", 2, 12)]


def test_probes_are_a_curve_over_depth(record: RunRecord) -> None:
    found = {point.step: point.value for point in figures.curves(record, 0.0) if point.name == "probes/accuracy"}
    assert found == {probe.depth: probe.accuracy.value for probe in record.probes}


def curve(record: RunRecord, name: str, *search: object) -> dict[int, float]:
    """Values by step."""
    return {point.step: point.value for point in figures.curves(record, 0.0, *search) if point.name == name}  # type: ignore[arg-type]


def test_what_thawing_changed_is_a_curve_over_layers(record: RunRecord) -> None:
    similarity = tuple(Similarity(f"conv_pw_{block}_relu", 1.01 - 0.01 * block, 112) for block in (9, 10, 11))
    changed = dataclasses.replace(record, similarity=(*similarity, Similarity("dead", math.nan, 112)))
    assert curve(changed, "drift/relative_change") == {
        step: layer.relative_change for step, layer in enumerate(record.drift)
    }
    assert curve(changed, "similarity/cka") == {step: place.value for step, place in enumerate(similarity)}
    assert not curve(record, "similarity/cka")


def test_the_search_that_led_to_a_run_is_a_curve_over_depth(record: RunRecord) -> None:
    search = DEPTH_RECORDS["small"]()
    frozen = {
        trial.way.cut_point: trial.accuracy for trial in search.table if trial.folds == 5 and not trial.way.trained
    }
    depths = {probe.cut_point: probe.depth for probe in search.probes}
    assert len(frozen) == 9
    for end, part in (("", lambda metric: metric.value), ("_low", lambda metric: metric.interval[0])):
        assert curve(record, f"depth/frozen_accuracy{end}", search) == {
            depths[name]: part(accuracy) for name, accuracy in frozen.items()
        }
    # One point for each of the cut points below which layers were let learn: the best of the ways there.
    best = max(trial.accuracy.value for trial in search.table if trial.way.cut_point == cut(11) and trial.way.tuned)
    tuned = curve(record, "depth/tuned_accuracy", search)
    assert set(tuned) == {depths[cut(block)] for block in (9, 11, 12)}
    assert tuned[depths[cut(11)]] == best
    # Its probes are of all cut points, those of the run of the one that was found.
    assert curve(record, "probes/accuracy", search) == {probe.depth: probe.accuracy.value for probe in search.probes}
    told = [figures.figures(record, search)[f"depth/accuracy{end}"] for end in ("", "_low", "_high")]
    assert told == [search.recommended.accuracy, *search.recommended.interval]
    assert not any(point.name.startswith("depth/") for point in figures.curves(record, 0.0))


def test_the_plan_is_one_name_for_each_value(record: RunRecord) -> None:
    found = figures.parameters(record)
    assert found["cut_point"] == "conv_pw_11_relu"
    assert found["views"] == 4
    assert found["fine_tune.average"] == 0.5
    assert found["input.shape"] == "[128, 128, 3]"
    assert found["strict"] is False
    assert found["trained_from"] == "conv_pw_9_relu"
    assert "architecture" not in found


def test_every_record_can_be_told(tmp_path: Path) -> None:
    for name, make in RECORDS.items():
        record = make()
        if name != "hostile":  # No plan of such names can be written.
            folder = written(tmp_path / name, record)
            begun, ended = figures.times(folder, record)
            assert begun <= ended
        assert figures.parameters(record)

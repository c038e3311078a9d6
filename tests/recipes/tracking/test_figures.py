"""What others are told are the record's own numbers, each once, and only such as can be drawn."""

import csv
import math
from pathlib import Path

from regraft.core.records import RunRecord
from regraft.recipes.tracking import figures
from tests.recipes.tracking.conftest import ENDED, written
from tests.report.conftest import RECORDS


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
        "validation", "test", "baselines", "transfer_gain", "transfer_gain_low", "transfer_gain_high", "seconds",
        "variables", "certificate",
    }  # fmt: skip


def test_what_is_no_number_is_left_out() -> None:
    record = RECORDS["undefined"]()
    assert all(map(math.isfinite, figures.figures(record).values()))
    assert "test/accuracy" not in figures.figures(record)
    assert all(math.isfinite(point.value) for point in figures.curves(record, 0.0))


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


def test_the_plan_is_one_name_for_each_value(record: RunRecord) -> None:
    found = figures.parameters(record)
    assert found["cut_point"] == "conv_pw_11_relu"
    assert found["views"] == 4
    assert found["fine_tune.average"] == 0.5
    assert found["input.shape"] == "[128, 128, 3]"
    assert found["strict"] is False
    assert found["trained_from"] == "conv_pw_9_relu"
    assert "architecture" not in found


def test_the_confusion_matrix_reads_back(tmp_path: Path) -> None:
    for name in ("good", "hostile", "huge"):
        record = RECORDS[name]()
        (tmp_path / "c.csv").write_text(figures.confusion_csv(record), encoding="utf-8", newline="")
        with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        assert tuple(head[1:]) == record.classes
        assert tuple(tuple(map(int, row[1:])) for row in rows) == record.confusion


def test_every_record_can_be_told(tmp_path: Path) -> None:
    for name, make in RECORDS.items():
        record = make()
        if name != "hostile":  # No plan of such names can be written.
            folder = written(tmp_path / name, record)
            begun, ended = figures.times(folder, record)
            assert begun <= ended
        assert figures.parameters(record)

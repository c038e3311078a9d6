"""TensorFlow's own reader of event files, which checks every checksum, finds the record's numbers."""

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regraft.core import plan
from regraft.core.depth import DepthRecord
from regraft.core.errors import RequestError
from regraft.core.records import RunRecord
from regraft.formats import events
from regraft.recipes.tracking import figures, tensorboard
from tests.recipes.tracking.conftest import ENDED, written
from tests.report.conftest import RECORDS

tf = pytest.importorskip("tensorflow")


def read(folder: Path) -> list[Any]:
    return list(tf.compat.v1.train.summary_iterator(str(folder / events.FILE)))


def scalars(found: list[Any]) -> dict[str, list[tuple[int, float]]]:
    """By tag: (step, value) in the order of the file."""
    read: dict[str, list[tuple[int, float]]] = {}
    for event in found:
        for value in event.summary.value:
            if value.WhichOneof("value") == "simple_value":
                read.setdefault(value.tag, []).append((event.step, value.simple_value))
    return read


def texts(found: list[Any]) -> dict[str, str]:
    return {
        value.tag: value.tensor.string_val[0].decode()
        for event in found
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "text"
    }


def test_curves_and_figures_are_the_record_s(folder: Path, record: RunRecord) -> None:
    assert tensorboard.write(folder, record) == folder / "exported" / "tensorboard"
    found = read(folder / "exported" / "tensorboard")
    assert found[0].file_version == "brain.Event:2"
    told = scalars(found)
    # An event file keeps 32 bits of a number: a relative error of 6e-8.
    history = record.history
    assert told["learning/validation_accuracy"] == [
        (step, pytest.approx(epoch.validation_accuracy, rel=1e-7)) for step, epoch in enumerate(history)
    ]
    assert told["learning/rate"] == [(step, pytest.approx(each.rate, rel=1e-7)) for step, each in enumerate(history)]
    for name, value in figures.figures(record).items():
        assert told[name] == [(0, pytest.approx(value, rel=1e-7))]
    assert {name for name in told if name.startswith("learning/")} == {
        f"learning/{name}" for name in ("training_loss", "validation_loss", "validation_accuracy", "rate")
    }


def test_events_are_in_the_order_of_time_and_end_when_the_run_ended(folder: Path, record: RunRecord) -> None:
    times = [event.wall_time for event in read(tensorboard.write(folder, record))]
    assert times == sorted(times)
    assert times[-1] == ENDED
    assert times[0] == pytest.approx(ENDED - 104.4)


def test_plan_confusion_and_phases_are_texts(folder: Path, record: RunRecord) -> None:
    told = texts(read(tensorboard.write(folder, record)))
    lines = [line.removeprefix("    ") for line in told["plan"].splitlines()]
    assert plan.from_toml("\n".join(lines)) == record.plan
    head, _, *rows = told["confusion"].splitlines()
    assert head == "| actual, then answers | daisy | dandelion | roses | sunflowers | tulips |"
    assert [tuple(map(int, re.findall(r"\d+", row))) for row in rows] == list(record.confusion)
    assert "| fine_tune | 2 | 12 |" in told["phases"]
    assert told["verdict"] == record.verdict


def test_the_confusion_matrix_is_a_picture_of_its_shares(folder: Path, record: RunRecord) -> None:
    (image,) = [
        value.image
        for event in read(tensorboard.write(folder, record))
        for value in event.summary.value
        if value.WhichOneof("value") == "image"
    ]
    picture = np.asarray(Image.open(io.BytesIO(image.encoded_image_string)))
    assert picture.shape == (image.height, image.width, 3)
    # The corner of each cell: blue where the answer is right, in the measure of its share.
    left = image.width - 8 - 5 * 44
    corner = picture[8 + 3, left + 3].astype(float)
    share = (record.confusion[0][0] / sum(record.confusion[0])) ** 0.5
    expected = share * np.array((31, 110, 168)) + (1 - share) * np.array((243, 241, 235))
    assert np.abs(corner - expected).max() <= 1


def test_parameters_are_the_plan_s(folder: Path, record: RunRecord) -> None:
    contents = [
        (value.tag, value.metadata.plugin_data.content)
        for event in read(tensorboard.write(folder, record))
        for value in event.summary.value
        if value.metadata.plugin_data.plugin_name == "hparams"
    ]
    assert [tag for tag, _ in contents] == ["_hparams_/session_start_info", "_hparams_/session_end_info"]
    from google.protobuf import struct_pb2

    from regraft.formats.wire import Message

    start = Message(contents[0][1]).message(3)
    assert start is not None
    read_back: dict[str, Any] = {}
    for pair in start.messages(1):
        value = struct_pb2.Value.FromString(bytes(pair.view(2) or b""))
        read_back[pair.text(1)] = getattr(value, value.WhichOneof("kind"))
    assert read_back == figures.parameters(record)
    assert start.text(4) == str(folder)


def test_written_again_nothing_is_there_twice(folder: Path, record: RunRecord, tmp_path: Path) -> None:
    for _ in range(2):
        assert tensorboard.write(folder, record, tmp_path / "logs" / "one") == tmp_path / "logs" / "one"
    assert sorted(path.name for path in (tmp_path / "logs" / "one").iterdir()) == [events.FILE, "report.html"]
    assert (tmp_path / "logs" / "one" / "report.html").read_bytes() == (folder / "report.html").read_bytes()
    assert len(scalars(read(tmp_path / "logs" / "one"))["test/accuracy"]) == 1


def test_the_search_that_led_to_the_run_is_told_too(folder: Path, record: RunRecord, search: DepthRecord) -> None:
    out = tensorboard.write(folder, record)
    told = scalars(read(out))
    wanted = [point for point in figures.curves(record, 0.0, search) if point.name == "depth/tuned_accuracy"]
    assert told["depth/tuned_accuracy"] == [(point.step, pytest.approx(point.value, rel=1e-7)) for point in wanted]
    assert [value for _, value in told["depth/accuracy"]] == [pytest.approx(search.recommended.accuracy, rel=1e-7)]
    # The report beside it has a link to this page.
    assert (out / "depth.html").read_bytes() == (folder / "depth.html").read_bytes()
    assert "| conv_pw_11_relu < conv_pw_9_relu | conv_pw_11_relu |" in texts(read(out))["depth"]


def test_layers_are_named_beside_the_curve_of_what_thawing_changed(folder: Path, record: RunRecord) -> None:
    found = read(tensorboard.write(folder, record))
    steps = [step for step, _ in scalars(found)["drift/relative_change"]]
    assert steps == list(range(len(record.drift)))
    for step, layer in enumerate(record.drift):
        assert f"| {step} | {layer.layer} | " in texts(found)["drift"]


@pytest.mark.parametrize("name", ["bad", "bare", "huge", "undefined"])
def test_runs_of_every_kind_can_be_told(name: str, tmp_path: Path) -> None:
    record = RECORDS[name]()
    found = read(tensorboard.write(written(tmp_path / name, record), record))
    assert all(np.isfinite(value) for values in scalars(found).values() for _, value in values)
    assert ("confusion" in texts(found)) == (len(record.classes) <= 40 and bool(record.confusion))


def test_a_file_in_the_way_is_named(folder: Path, record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("mine")
    with pytest.raises(RequestError, match=r"expected a folder for TensorBoard's events, found the file '.*logs'"):
        tensorboard.write(folder, record, tmp_path / "logs")
    assert (tmp_path / "logs").read_text() == "mine"


def test_tensorboard_itself_reads_it(folder: Path, record: RunRecord) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="needs tensorboard"
    )
    made = accumulator.EventAccumulator(str(tensorboard.write(folder, record)))
    made.Reload()
    assert {"plan", "confusion", "verdict", "phases"} <= {
        tag.removesuffix("/text_summary") for tag in made.Tags()["tensors"]
    }
    assert set(figures.figures(record)) <= set(made.Tags()["scalars"])
    assert "confusion" in made.Tags()["images"]
    metadata = pytest.importorskip("tensorboard.plugins.hparams.metadata")
    contents = made.PluginTagToContent("hparams")
    start = metadata.parse_session_start_info_plugin_data(contents["_hparams_/session_start_info"])
    end = metadata.parse_session_end_info_plugin_data(contents["_hparams_/session_end_info"])
    assert start.hparams["cut_point"].string_value == record.cut_point
    assert start.hparams["views"].number_value == 4
    assert start.start_time_secs < end.end_time_secs == ENDED

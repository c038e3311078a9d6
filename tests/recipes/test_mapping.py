"""What a run keeps for its page is of the examples it is judged by, and of the models that it made."""

import io
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image, ImageOps

from regraft import data as data_room
from regraft import report
from regraft.core.evidence import EmbeddingMap, Evidence
from regraft.formats import evidence
from regraft.graph import names
from regraft.recipes import picturing, running
from regraft.recipes.running import Run
from regraft.surgery.graft import resizing
from regraft.training.embedding import directions, principal
from tests.report.evidence import answers, view


@pytest.fixture(scope="module")
def kept(tuned_on_many: Run) -> Evidence:
    return evidence.read(tuned_on_many.folder / "report.npz")


def test_answers_are_those_that_the_run_was_judged_by(tuned_on_many: Run, kept: Evidence, many: Path) -> None:
    record, own = tuned_on_many.record, kept.answers
    examples = data_room.open(many, split=record.plan.split)
    judged = examples.indices(record.evaluated_on)
    assert own.names == tuple(examples.names[index] for index in judged)
    assert [own.id(row) for row in range(len(judged))] == [examples.ids[index] for index in judged]
    assert np.array_equal(own.labels, examples.labels[judged])
    assert own.correct.mean() == pytest.approx(record.metrics[record.evaluated_on].accuracy.value)
    loss = -np.log(np.clip(own.right.astype(float), 1e-7, 1)).mean()
    assert loss == pytest.approx(record.metrics[record.evaluated_on].log_loss.value, rel=1e-4)
    wrong = {own.id(row): own.confidence[row] for row in np.flatnonzero(~own.correct)}
    assert {mistake.id for mistake in record.mistakes} == set(wrong)
    assert set(kept.thumbnails) == {*wrong, *report.doubtful_ids(record)}


def test_the_maps_are_of_what_source_and_result_make_of_them(tuned_on_many: Run, kept: Evidence, many: Path) -> None:
    examples = data_room.open(many, split=tuned_on_many.record.plan.split)
    assert tuned_on_many.record.plan.input is not None
    resized = resizing(tuned_on_many.record.plan.input)
    judged = examples.indices(tuned_on_many.record.evaluated_on)
    x = np.stack([resized(raw.astype(np.float32)) for raw in examples.load(judged)]) / 127.5 - 1
    source = keras.models.load_model(tuned_on_many.record.plan.source)
    result = keras.models.load_model(tuned_on_many.record.plan.source)
    learnt = names.variables(tuned_on_many.model)
    for name, variable in names.variables(result).items():
        found = [learnt[f"{part}/{name}"] for part in ("trunk", "branch") if f"{part}/{name}" in learnt]
        if found and "seed_generator" not in name:
            variable.assign(found[0])
    assert kept.embedding is not None
    assert kept.embedding.after is not None
    assert kept.embedding.method == "t-SNE"
    for model, side in ((source, kept.embedding.before), (result, kept.embedding.after)):
        maps = keras.Model(model.inputs, model.get_layer("conv3").output).predict(x, verbose=0)
        wanted, explained = principal(directions(maps.mean(axis=(1, 2))), 0)
        ours = side.components.astype(np.float32)
        # Kept in float16; signs of small components may be turned by rounding, products of rows are not.
        assert ours @ ours.T == pytest.approx(wanted @ wanted.T, abs=0.02 * float(np.abs(wanted @ wanted.T).max()))
        assert side.explained == pytest.approx(explained, rel=1e-3)


def test_pictures_are_of_the_examples_that_they_are_said_to_be_of(
    tuned_on_many: Run, kept: Evidence, many: Path
) -> None:
    shown = kept.pictures
    assert shown is not None
    assert sorted(shown.rows.tolist()) == list(range(len(kept.answers.names)))
    with Image.open(io.BytesIO(shown.jpeg)) as sheet:
        whole = np.asarray(sheet.convert("RGB"), float)
    for number, row in enumerate(shown.rows.tolist()):
        with Image.open(many / kept.answers.names[row]) as file:
            factor = 64 // max(file.size)
            # Very small ones by a whole factor, others to the side of their square.
            size = (factor * file.width, factor * file.height)
            colours = file.convert("RGB")
            wanted = (
                colours.resize(size, Image.Resampling.NEAREST) if factor > 1 else ImageOps.contain(colours, (64, 64))
            )
        line, column = divmod(number, shown.columns)
        left, top = (64 - wanted.width) // 2 + 64 * column, (64 - wanted.height) // 2 + 64 * line
        cell = whole[top : top + wanted.height, left : left + wanted.width]
        # Pixel for pixel in grey: JPEG keeps colours at half the size.
        assert np.corrcoef(cell.mean(axis=2).ravel(), np.asarray(wanted, float).mean(axis=2).ravel())[0, 1] > 0.9


def test_one_map_where_only_the_head_learnt_and_no_pictures_of_what_is_none(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(0)
    labels = np.arange(60) % 2
    x = (random.normal(size=(60, 6)) + 2 * labels[:, None]).astype(np.float32)
    network = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, "relu", name="a")])
    run = running.fit(x, network, labels=labels, fine_tune="no", baselines="no", out=tmp_path / "run", cache=tmp_path)
    found = evidence.read(run.folder / "report.npz")
    assert found.embedding is not None
    assert found.embedding.after is None
    assert found.pictures is None
    assert found.thumbnails == {}
    page = (run.folder / "report.html").read_text(encoding="utf-8")
    assert "Only the head learnt" in page
    assert "There are no pictures to show." in page


def drawn(count: int, classes: int) -> tuple[EmbeddingMap, int]:
    own = answers(count, classes)
    return EmbeddingMap(np.arange(count), view(own.labels, 3.0, 0), None, "PCA", 10), count


def test_mistakes_are_shown_first_and_are_at_most_half() -> None:
    shown, count = drawn(5000, 4)
    own = answers(count, 4)
    rows = picturing.shown_on(shown, own)
    assert len(rows) == len(set(rows.tolist())) == picturing.PICTURED
    wrong = ~own.correct[rows]
    half = picturing.PICTURED // 2
    assert wrong[:half].all()
    sure = own.confidence[rows[:half]]
    assert np.array_equal(sure, np.sort(own.confidence[~own.correct])[::-1][:half])


def test_the_others_are_spread_over_the_map() -> None:
    """Nine tenths of the examples in one corner do not take nine tenths of the pictures."""
    shown, count = drawn(1000, 2)
    places = shown.before.places
    places[:900] = places[:900] // 30
    places[900:] = np.random.default_rng(0).integers(300, 1001, (100, 2))
    own = answers(count, 2, right=1.0)
    rows = picturing.shown_on(shown, own)
    assert (rows >= 900).mean() > 0.4


def test_all_are_shown_where_they_are_few() -> None:
    shown, count = drawn(30, 3)
    assert sorted(picturing.shown_on(shown, answers(count, 3)).tolist()) == list(range(30))

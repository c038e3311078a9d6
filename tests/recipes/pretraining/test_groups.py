"""Pairs of grouped examples, as a journey: groups are learnt, labels probe beside them, and errors name the column."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.cli import main
from regraft.cli.pretrain import show
from regraft.core import plain
from regraft.core.columns import Columns
from regraft.core.errors import DataError, RequestError
from regraft.core.pretraining import Asked
from regraft.core.progress import collecting_warnings
from regraft.pretraining import method
from regraft.recipes.pretraining import asking
from regraft.recipes.pretraining import folder as folders
from regraft.recipes.pretraining.task import Task, task_of
from tests.recipes.pretraining.interrupting import interrupted

PEOPLE, EACH = 60, 4
GIVEN: dict[str, Any] = {
    "architecture": "mlp?units=16",
    "epochs": 12,
    "settings": {"batch_size": 16, "rate": 0.01},
    "compare": "no",
}


def _rows() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Eight numbers, of which two are of a person and six of the day; whose they are; a class that persons share."""
    random = np.random.default_rng(3)
    person = np.arange(PEOPLE * EACH) % PEOPLE
    own = random.normal(size=(PEOPLE, 2))
    x = np.concatenate(
        [own[person] + 0.1 * random.normal(size=(len(person), 2)), random.normal(size=(len(person), 6))], axis=1
    )
    return x.astype(np.float32), person, (own[:, 0] > 0).astype(np.int64)[person]


def _table(folder: Path, labels: bool = True) -> Path:
    x, person, kind = _rows()
    head = [*(f"n{place}" for place in range(x.shape[1])), "person", *(["kind"] if labels else [])]
    lines = [
        [*(f"{value:.4f}" for value in row), f"p{who}", *([f"k{what}"] if labels else [])]
        for row, who, what in zip(x, person, kind, strict=True)
    ]
    (folder / "people.csv").write_text("".join(",".join(line) + "\n" for line in [head, *lines]))
    return folder / "people.csv"


def _task(data: Any, settings: dict[str, Any] | None = None, **asked: Any) -> Task:
    chosen = method("pairs")
    return task_of(chosen, Asked(method="pairs", settings=settings or {}, **asked), data, needs_labels=True)


@pytest.mark.parametrize("loss", ["triplet", "same", "contrastive"])
def test_who_is_held_out_is_told_apart_after_learning_from_others(loss: str, tmp_path: Path) -> None:
    x, person, _ = _rows()
    given = {**GIVEN, "settings": {**GIVEN["settings"], "loss": loss}, "epochs": 20 if loss == "same" else 12}
    made = regraft.pretrain("pairs", {"x": x, "groups": person}, out=tmp_path / "out", probe=0, **given)
    history = made.record.stages[0].history
    assert made.record.held_out == 24
    assert history[made.record.stages[0].best].measures["accuracy"] > 0.75
    assert history[made.record.stages[0].best].measures["accuracy"] > history[0].measures["accuracy"]
    assert made.record.classes == ()


@pytest.mark.usefixtures("untrained")
def test_groups_of_a_table_are_learnt_and_labels_probe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, out = _table(tmp_path), tmp_path / "out"
    words = ["pretrain", "pairs", str(table), "--group-column", "person", "--label-column", "kind", "--out", str(out)]
    words += ["--architecture", "mlp?units=16", "--epochs", "12", "--set", "batch_size=16", "--set", "rate=0.01"]
    assert main([*words, "--json", "--compare", "yes"]) == 0
    record = json.loads(capsys.readouterr().out)
    stage = record["stages"][0]
    assert stage["history"][stage["best"]]["measures"]["accuracy"] > 0.75
    assert stage["history"][-1]["probe"] > 0.8
    assert record["classes"] == ["k0", "k1"]
    assert record["helped"]["judged"] == record["unused"]
    assert (record["labels"], "labels: pretraining itself" in record["helped"]["sentence"]) == (0, False)
    assert 0 < record["groups"] < PEOPLE
    assert f"examples in {record['groups']} groups" in (out / "README.md").read_text()
    assert record["asked"]["columns"]["group"] == "person"
    assert record["asked"]["columns"]["features"] == [f"n{place}" for place in range(8)]
    assert main(["resume", str(out)]) == 0
    with collecting_warnings() as warned:
        regraft.fit(table, source=out, out=tmp_path / "run", columns={"label": "kind"}, fine_tune="no", baselines="no")
    assert any("was not trained on the columns person" in line for line in warned)


def test_nobody_is_on_both_sides_and_labels_are_not_needed(tmp_path: Path) -> None:
    task = _task(_table(tmp_path, labels=False), columns=Columns(group="person"))
    assert task.learning.groups is not None
    assert task.held_out.groups is not None
    assert not set(task.learning.groups) & set(task.held_out.groups)
    assert len(task.learning) + len(task.held_out) == PEOPLE * EACH
    assert task.inputs.table is not None
    assert "person" not in task.inputs.table.names
    assert task.learning.labels is None


def test_small_classes_are_held_out_whole() -> None:
    x, person, _ = _rows()
    task = _task({"x": x, "y": person})
    assert task.held_out.labels is not None
    assert np.unique(task.held_out.labels, return_counts=True)[1].min() >= 2
    assert not set(task.held_out.labels) & set(task.learning.labels)  # pyright: ignore


def test_pictures_of_a_list_have_groups_and_are_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    objects = random.integers(0, 256, (10, 8, 8, 3))
    lines = ["path,object"]
    for number in range(40):
        noisy = np.clip(objects[number % 10] + random.integers(-20, 20, (8, 8, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,o{number % 10}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    given: dict[str, Any] = {
        "architecture": "cnn?filters=4",
        "epochs": 3,
        "settings": {"batch_size": 8},
        "columns": {"group": "object"},
    }
    whole = regraft.pretrain("pairs", tmp_path / "t.csv", out=tmp_path / "whole", **given)
    interrupted(monkeypatch, "pairs", tmp_path / "t.csv", out=tmp_path / "out", **given)
    assert folders.asked(tmp_path / "out").columns == Columns(group="object")
    # Whose it is is part of what it was begun with.
    text = (tmp_path / "t.csv").read_text()
    (tmp_path / "t.csv").write_text(text.replace("7.png,o7", "7.png,o1"))
    with pytest.raises(RequestError, match="are not those that the pretraining was begun with"):
        asking.resume(tmp_path / "out")
    (tmp_path / "t.csv").write_text(text)
    resumed = asking.resume(tmp_path / "out")
    record = resumed.record
    assert (record.kind, record.examples, record.held_out) == ("pictures", 32, 8)
    for one, other in zip(resumed.model.get_weights(), whole.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_was_written_before_there_were_groups_is_read() -> None:
    old = plain.to_plain(dataclasses.replace(Asked(method="pairs"), columns=Columns(label="kind")))
    del old["columns"]["group"]
    assert plain.from_plain(Asked, old).columns == Columns(label="kind")


def test_labels_of_another_table_probe_with_its_groups_left_aside(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    given = {**GIVEN, "epochs": 1, "columns": {"group": "person"}}
    table, labelled = _table(own, labels=False), _table(tmp_path)
    labelled.write_text(labelled.read_text().replace("kind", "label", 1))
    made = regraft.pretrain("pairs", table, labels=labelled, out=tmp_path / "out", **given)
    assert made.record.stages[0].history[-1].probe is not None
    # The same rows are known in both, so those for tests are not learnt from.
    assert made.record.unused > 0


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("one", "p", r"two groups or more for pairs in the column 'person' of '.*t.csv', found one: 'p', of all 40 ex"),
        ("each", None, r"with two examples or more in the column 'person' of '.*t.csv', found 40 groups of one each"),
        ("none", "", r"expected groups in the column 'person' of '.*t.csv', found no example to learn from that has"),
        (
            "two",
            "pq",
            r"expected four groups or more in the column 'person' of .*; found 2 \('p', 'q'\), 2 o",
        ),
    ],
)
def test_groups_of_which_no_pairs_can_be_made_are_refused(
    name: str, values: str | None, message: str, tmp_path: Path
) -> None:
    random = np.random.default_rng(0)
    lines = ["a,b,person"]
    for index in range(40):
        group = f"p{index}" if values is None else values[index % len(values)] if values else ""
        lines.append(f"{random.random():.3f},{random.random():.3f},{group}")
    (tmp_path / "t.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=message):
        regraft.pretrain("pairs", tmp_path / "t.csv", out=tmp_path / "out", columns={"group": "person"})
    assert not (tmp_path / "out" / folders.ASKED).exists()


def test_examples_without_a_group_are_left_out_and_counted(tmp_path: Path) -> None:
    table = _table(tmp_path, labels=False)
    table.write_text(table.read_text().replace(",p7\n", ",\n"))
    given = {**GIVEN, "epochs": 1, "columns": {"group": "person"}}
    with collecting_warnings() as warned:
        made = regraft.pretrain("pairs", table, out=tmp_path / "out", **given)
    assert warned == [
        f"left out 4 of 240 examples of '{table}', which have no group; 'pairs' learns from those that have one"
    ]
    assert (made.record.unknown, made.record.unused) == (4, 0)
    assert "4 without a group" in show(made.record)


def test_a_method_without_groups_refuses_a_column_and_does_not_read_an_array(tmp_path: Path) -> None:
    table = _table(tmp_path)
    with pytest.raises(
        RequestError,
        match=r"--group-column makes no difference to 'masked' on the table in .*: it is for the method pairs",
    ):
        regraft.pretrain("masked", table, out=tmp_path / "out", columns={"group": "person"})
    x, person, _ = _rows()
    given = {**GIVEN, "epochs": 1, "probe": 0}
    with collecting_warnings() as warned:
        regraft.pretrain("masked", {"x": x, "groups": person}, out=tmp_path / "out", **given)
    assert warned[0].startswith("not read of the dictionary: groups;")

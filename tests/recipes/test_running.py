"""A run can be done again from its plan, and goes on from wherever it was killed."""

import dataclasses
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from regraft.core import plain
from regraft.core import plan as plans
from regraft.core.errors import RequestError
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.records import CacheUse
from regraft.data import Examples
from regraft.graph import names
from regraft.importers import open as open_source
from regraft.recipes import run_folder, running, using
from regraft.recipes.running import Run
from tests.recipes.killing import Forking
from tests.recipes.shapes import CLASSES, SIZE, convolutional, picture, write_pictures

# Each moment kills the process that fits, or goes on fitting, as `kill -9` does.
KILLED = """
import os, signal, sys
from pathlib import Path
from regraft.core import plan as plans, storage
from regraft.recipes import running
from regraft.training import checkpoint
from regraft.activations.appending import Appending

moment, plan, data, folder, cache = sys.argv[1:]

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def killing(owner, name, when):
    do = getattr(owner, name)
    def act(*args, **named):
        found = do(*args, **named) if when != "before" else None
        act.calls += 1
        if act.calls == (2 if when == "second" else 1):
            die()
        return found
    act.calls = 0
    setattr(owner, name, act)

if moment == "in the pass":
    killing(Appending, "add", "second")
if moment == "after the second step":
    checkpoint.SAVE_SECONDS = 0.0
    killing(checkpoint.Checkpoint, "save", "second")
if moment == "in the refit":
    save = checkpoint.Checkpoint.save
    checkpoint.Checkpoint.save = lambda state, now: (save(state, now), "refit" in state._path.name and die())
if moment == "before the record":
    write = storage.write_text
    storage.write_text = lambda path, text: die() if path.name == "run.json" else write(path, text)
if Path(folder).exists():
    running.resume(folder, cache=cache)
else:
    running.fit(data, plan=plans.read(Path(plan)), out=folder, cache=cache)
"""


def same(one: Run, other: Run) -> None:
    """Everything about two runs is the same, but for where they lie and how long they took."""
    others = names.variables(other.model)
    for name, variable in names.variables(one.model).items():
        # The seed of a layer's dropout is no weight: Keras draws it anew whenever it opens a file.
        assert np.array_equal(variable, others[name]) or "seed_generator" in name, name
    assert plain.to_json(timeless(one)) == plain.to_json(timeless(other))


def timeless(run: Run) -> object:
    return dataclasses.replace(
        run.record,
        run="",
        model="",
        report="",
        seconds={},
        cache=CacheUse(0, 0, 0),
        # A resolved plan probes nothing, and keeps fewer averages.
        activations=None,
        history=tuple(dataclasses.replace(epoch, seconds=0.0) for epoch in run.record.history),
    )


@pytest.fixture
def plan(network: Callable[..., Path]) -> Plan:
    source = str(network())
    return Plan(
        source, preprocessing="tf", baselines="no", refit="yes", fine_tune=FineTuneSpec("yes", epochs=4), seed=5
    )


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_was_not(
    plan: Plan, pictures: Path, tmp_path: Path, forking: Forking
) -> None:
    plans.write(tmp_path / "asked.toml", plan)
    folder, left = tmp_path / "run", []
    for moment in ("in the pass", "after the second step", "in the refit", "before the record"):
        status = forking.run(KILLED, moment, tmp_path / "asked.toml", pictures, folder, tmp_path / "cache")
        assert status == -signal.SIGKILL
        left.append({path.name for path in folder.iterdir() if not path.name.startswith(".partial-")})
        with pytest.raises(RequestError, match="is not finished"):
            running.load(folder)
    assert [run_folder.CHECKPOINT in files for files in left] == [False, True, True, True]
    assert [run_folder.REFIT_CHECKPOINT in files for files in left] == [False, False, True, True]
    assert ["model.keras" in files for files in left] == [False, False, False, True]
    resumed = running.resume(folder, cache=tmp_path / "cache")
    assert resumed.record.cache.computed == 0
    whole = running.fit(pictures, plan=plan, out=tmp_path / "whole", cache=tmp_path / "other")
    same(resumed, whole)
    assert plans.read(folder / "plan.toml") == plans.read(tmp_path / "whole" / "plan.toml")
    finished = {
        "README.md",
        "history.csv",
        "model.keras",
        "optimizer.npz",
        "plan.toml",
        "report.html",
        "report.npz",
        "run.json",
    }
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".partial-")} == finished
    same(running.resume(folder), whole)


@pytest.mark.parametrize("fine_tune", ["no", "auto"])
def test_the_plan_in_the_folder_gives_the_same_result(
    plan: Plan, pictures: Path, tmp_path: Path, fine_tune: str
) -> None:
    spec = dataclasses.replace(plan.fine_tune, enabled=fine_tune, epochs=2)  # pyright: ignore[reportArgumentType]
    plan = dataclasses.replace(plan, fine_tune=spec)
    first = running.fit(pictures, plan=plan, out=tmp_path / "first", cache=tmp_path / "one")
    written = plans.read(tmp_path / "first" / "plan.toml")
    assert written == first.record.plan
    assert written.cut_point != "auto"
    assert (written.fine_tune.from_cut == "auto") == (fine_tune == "no")
    again = running.fit(pictures, plan=written, out=tmp_path / "again", cache=tmp_path / "two")
    assert again.record.cache.hits == 0
    assert len(again.record.probes) == 1
    same(Run(first.folder, dataclasses.replace(first.record, probes=again.record.probes), first.model), again)
    same(running.load(tmp_path / "first"), first)


def test_files_are_decoded_as_it_was_asked_by_whoever_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for label in CLASSES:
        (tmp_path / "photographs" / label).mkdir(parents=True)
        for index in range(8):
            photograph = Image.fromarray(picture(label, index, 8 * SIZE, 9 * SIZE))
            photograph.save(tmp_path / "photographs" / label / f"{index}.jpg")
    sizes: list[tuple[int, ...]] = []
    load = Examples.load

    def listen(examples: Examples, indices: Iterable[int], channels: int | None = None) -> list[np.ndarray]:
        found = load(examples, indices, channels)
        sizes.extend(each.shape for each in found)
        return found

    def seen() -> set[tuple[int, ...]]:
        found = set(sizes)
        sizes.clear()
        return found

    def fit(name: str, **more: Any) -> Run:
        return running.fit(tmp_path / "photographs", out=tmp_path / name, cache=tmp_path / "cache", **more)

    monkeypatch.setattr(Examples, "load", listen)
    settings = {"preprocessing": "tf", "fine_tune": "no", "baselines": "no", "cut_point": "conv3"}
    # Twice the network's size on both sides at least.
    small, whole = {(2 * SIZE, (9 * SIZE + 3) // 4, 3)}, {(8 * SIZE, 9 * SIZE, 3)}
    first = fit("first", source=convolutional(), decoding="draft", **settings)
    plan = plans.read(first.folder / "plan.toml")
    assert (plan.decoding, plan.input and plan.input.decoding) == ("draft", "draft")
    assert seen() == small
    using.predict(running.load(first.folder), [tmp_path / "photographs"])
    assert seen() == small
    assert fit("again", source=convolutional(), plan=plan).record.cache.computed == 0
    assert (
        fit("full", source=convolutional(), plan=dataclasses.replace(plan, decoding="full")).record.cache.computed > 0
    )
    assert seen() >= whole


def test_a_plan_for_other_examples_says_so(
    plan: Plan, pictures: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plan = dataclasses.replace(plan, fine_tune=FineTuneSpec("no"))
    first = running.fit(pictures, plan=plan, out=tmp_path / "first")
    other = write_pictures(tmp_path / "fewer", 10)
    second = running.fit(other, plan=first.record.plan, out=tmp_path / "second")
    warning = "the examples are not those that the plan was made for; the result will be another one"
    assert warning in second.record.warnings
    assert warning not in first.record.warnings
    assert second.record.plan.data_digest not in (None, first.record.plan.data_digest)


def test_a_plan_reruns_silently_where_a_picture_cannot_be_read(plan: Plan, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 10)
    whole = (data / "rings" / "03.png").read_bytes()
    (data / "rings" / "03.png").write_bytes(whole[: len(whole) // 2])
    plan = dataclasses.replace(plan, fine_tune=FineTuneSpec("no"))
    first = running.fit(data, plan=plan, out=tmp_path / "first")
    assert len(first.record.data.left_out) == 1
    second = running.fit(data, plan=first.record.plan, out=tmp_path / "second")
    assert second.record.warnings == first.record.warnings
    assert any("03.png" in line for line in first.record.warnings)


def test_what_data_and_source_warn_of_is_in_the_record(plan: Plan, tmp_path: Path) -> None:
    data = write_pictures(tmp_path / "data", 8)
    (data / "bars" / "notes.txt").write_text("no picture")
    quiet = {"fine_tune": "no", "baselines": "no"}
    run = running.fit(data, convolutional(), **quiet, out=tmp_path / "run")
    assert any("notes.txt" in line for line in run.record.warnings)
    assert any("neither stated nor known" in line for line in run.record.warnings)


def test_a_source_given_with_a_plan_takes_its_place(plan: Plan, pictures: Path, tmp_path: Path) -> None:
    spec = FineTuneSpec("no")
    run = running.fit(
        pictures, convolutional(name="mine"), plan=dataclasses.replace(plan, fine_tune=spec), out=tmp_path / "run"
    )
    assert run.record.plan.source == "model 'mine'"


def test_preprocessing_is_obeyed_for_an_opened_source(pictures: Path, tmp_path: Path) -> None:
    opened = open_source(convolutional(), preprocessing="unit")
    settings = {"fine_tune": "no", "baselines": "no"}
    run = running.fit(pictures, opened, preprocessing="caffe", **settings, out=tmp_path / "run")
    assert run.record.plan.input is not None
    assert (run.record.plan.input.name, run.record.plan.input.order) == ("caffe", "bgr")


def test_what_was_in_memory_is_asked_for_again(pictures: Path, tmp_path: Path, network: Callable[..., Path]) -> None:
    x = np.stack([np.asarray(Image.open(file).resize((16, 16))) for file in sorted(pictures.rglob("*.png"))])
    y = np.repeat(["bars", "rings", "spots"], 16)
    asked = Plan("model 'tiny'", data="the arrays given", preprocessing="tf", baselines="no")
    asked = dataclasses.replace(asked, fine_tune=FineTuneSpec("no"))
    run_folder.begin(tmp_path / "run", asked)
    with pytest.raises(RequestError, match=r"took its examples from 'the arrays given', which is not there.*data="):
        running.resume(tmp_path / "run")
    with pytest.raises(RequestError, match=r"reuses a model that was given in memory \(model 'tiny'\).*source="):
        running.resume(tmp_path / "run", data=x, labels=y)
    run = running.resume(tmp_path / "run", data=x, labels=y, source=convolutional())
    assert run.record.classes == ("bars", "rings", "spots")


def test_the_folder_is_looked_at_before_anything_is_opened(tmp_path: Path, network: Callable[..., Path]) -> None:
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RequestError, match="holds a finished run"):
        running.fit("no such data", "no such source", out=tmp_path)
    with pytest.raises(RequestError, match="expected a source"):
        running.fit("no such data", out=tmp_path / "new")
    with pytest.raises(RequestError, match=r"expected a run folder with plan\.toml"):
        running.resume(tmp_path / "new")
    assert not (tmp_path / "new").exists()

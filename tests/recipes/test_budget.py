"""A run within a budget: what is decided before anything runs is said, recorded, held, and can be done again."""

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import regraft
from regraft.activations import budget, room, spreading, streaming
from regraft.activations.engines import onnxruntime
from regraft.activations.store import Store
from regraft.core import storage
from regraft.core.errors import RequestError
from regraft.core.plan import FineTuneSpec, Plan
from regraft.graph import names
from regraft.graph.digest import of_variables
from regraft.recipes import running
from regraft.recipes.running import Run
from tests.activations.engines.installed import require
from tests.recipes.shapes import convolutional, write_pictures


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "shapes", 10)


def _fit(
    pictures: Path,
    folder: Path,
    fine_tune: Any = "auto",
    cache: Path | None = None,
    cache_limit: int | None = None,
    **settings: Any,
) -> Run:
    spec = FineTuneSpec(fine_tune, epochs=2)
    plan = Plan("tiny", preprocessing="tf", baselines="no", cut_point="conv3", fine_tune=spec, **settings)
    return running.fit(
        pictures,
        convolutional(),
        plan=plan,
        out=folder / "run",
        cache=cache or folder / "cache",
        cache_limit=cache_limit,
    )


def _weights(run: Run) -> dict[str, str]:
    found = of_variables(names.variables(run.model))
    return {name: value for name, value in found.items() if "seed_generator" not in name}


@pytest.fixture(scope="module")
def free(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return _fit(pictures, tmp_path_factory.mktemp("free"), fine_tune="yes")


def test_without_a_budget_nothing_is_given_up(free: Run) -> None:
    kept = free.record.activations
    assert kept is not None
    assert (kept.averages, kept.maps, kept.dtype, kept.error, kept.budget) == ("disk", "disk", "float32", None, None)
    assert "given up" not in kept.decision
    assert free.record.plan.dtype == "float32"
    assert kept.estimated >= free.record.cache.bytes > 0


def test_a_budget_is_held_and_what_it_costs_is_measured(pictures: Path, free: Run, tmp_path: Path) -> None:
    assert free.record.activations is not None
    whole = free.record.activations.estimated
    run = _fit(pictures, tmp_path, fine_tune="yes", cache_budget=int(0.6 * whole))
    kept, plan = run.record.activations, run.record.plan
    assert kept is not None
    assert (kept.dtype, kept.maps, plan.dtype, plan.views) == ("float16", "disk", "float16", free.record.plan.views)
    assert kept.error is not None
    assert 0 < kept.error < 1e-3
    assert kept.estimated <= int(0.6 * whole)
    assert sum(entry.bytes for entry in Store(tmp_path / "cache").entries()) <= kept.estimated
    assert "given up: float32" in kept.decision
    again = running.fit(pictures, convolutional(), plan=plan, out=tmp_path / "again", cache=tmp_path / "cache")
    assert _weights(again) == _weights(run)
    assert again.record.cache.computed == 0


def test_a_limit_of_the_cache_is_part_of_the_decision_and_the_next_run_finds_all(
    pictures: Path, free: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert free.record.activations is not None
    limit = int(0.6 * free.record.activations.estimated)
    monkeypatch.setattr(budget, "free_memory", lambda: 0)
    run = _fit(pictures, tmp_path, fine_tune="yes", cache_limit=limit)
    kept = run.record.activations
    assert kept is not None
    assert (kept.dtype, kept.maps) == ("float16", "disk")
    assert "for this; see --cache-limit), given up: float32" in kept.decision
    assert sum(entry.bytes for entry in Store(tmp_path / "cache").entries()) <= limit
    again = _fit(pictures, tmp_path / "again", fine_tune="yes", cache_limit=limit, cache=tmp_path / "cache")
    assert again.record.activations == kept
    assert again.record.cache.computed == 0


def test_a_run_that_computes_nothing_keeps_to_the_limit_too(pictures: Path, tmp_path: Path) -> None:
    _fit(pictures, tmp_path, fine_tune="no")
    store = Store(tmp_path / "cache")
    mine = sum(entry.bytes for entry in store.entries())
    store.append("f" * 32, {}, ["a"], np.zeros((1, 100_000), "float32"))
    other = store.folder / "ff" / ("f" * 32)
    room._OPENED.clear()
    os.utime(other / "about.json", (1000.0, 1000.0))
    run = _fit(pictures, tmp_path / "again", fine_tune="no", cache=tmp_path / "cache", cache_limit=mine + 50_000)
    assert run.record.cache.computed == 0
    assert not other.exists()
    assert sum(entry.bytes for entry in store.entries()) <= mine + 50_000


def test_a_cache_that_has_half_of_its_disk_is_no_end_of_a_run(
    pictures: Path, free: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "total_bytes", lambda _: 1000)
    run = _fit(pictures, tmp_path, fine_tune="yes")
    assert run.record.activations is not None
    assert (run.record.activations.maps, run.record.activations.averages) == ("memory", "memory")
    assert "they would not fit on disk (the cache may take 500 bytes" in run.record.activations.decision
    assert _weights(run) == _weights(free)


def test_streamed_training_is_that_from_the_cache_bit_for_bit(pictures: Path, free: Run, tmp_path: Path) -> None:
    views = free.record.plan.views
    run = _fit(pictures, tmp_path, fine_tune="yes", views=views, dtype="float32", cache_budget="20KB")
    assert run.record.activations is not None
    assert run.record.activations.maps == "streamed"
    assert _weights(run) == _weights(free)
    assert [row.loss for row in run.record.history] == [row.loss for row in free.record.history]


def test_what_is_streamed_is_made_in_one_pass_for_all_cut_points(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[int] = []

    def counted(examples: Any, blocks: Any, *others: Any) -> Any:
        given.append(sum(len(indices) for block in blocks for _, indices in block.parts))
        return batches(examples, blocks, *others)

    batches = streaming.batches
    monkeypatch.setattr(streaming, "batches", counted)
    plan = Plan("tiny", preprocessing="tf", baselines="no", cache_budget="1kB", fine_tune=FineTuneSpec("no"))
    run = running.fit(pictures, convolutional(), plan=plan, out=tmp_path / "run", cache=tmp_path / "cache")
    assert run.record.activations is not None
    assert run.record.activations.averages == "streamed"
    # The probes of all cut points, the quick looks at all taps, and then what is asked for once: the head, its answers.
    assert len(run.record.probes) == 3
    assert given[:2] == [run.record.data.examples["train"]] * 2
    assert len(given) <= 8


def test_rows_go_to_memory_where_the_disk_has_no_room(
    pictures: Path, free: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "free_bytes", lambda _: 1000)
    run = _fit(pictures, tmp_path, fine_tune="yes")
    assert run.record.activations is not None
    assert (run.record.activations.maps, run.record.activations.averages) == ("memory", "memory")
    assert Store(tmp_path / "cache").entries() == []
    assert _weights(run) == _weights(free)


def test_a_budget_too_small_for_learning_says_so(pictures: Path, tmp_path: Path) -> None:
    run = _fit(pictures, tmp_path, cache_budget="8KB")
    said = [text for text in run.record.warnings if "given up: fine-tuning" in text]
    assert len(said) == 1
    assert "the budget is 8 kB" in said[0]
    assert run.record.plan.fine_tune.enabled == "no"
    assert np.isfinite(run.record.metrics["validation"].accuracy.value)


def test_a_budget_that_is_no_size_is_refused(pictures: Path, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="expected a cache budget such as 500MB or 2GB, found 'much'"):
        _fit(pictures, tmp_path, cache_budget="much")


def test_rows_of_another_engine_are_found_by_a_run_that_names_none(pictures: Path, tmp_path: Path) -> None:
    require("openvino")
    first = _fit(pictures, tmp_path, fine_tune="no", engine="openvino")
    assert first.record.plan.engine == "openvino"
    assert first.record.cache.computed > 0
    again = _fit(pictures, tmp_path / "again", fine_tune="no", cache=tmp_path / "cache")
    assert (again.record.plan.engine, again.record.cache.computed) == ("openvino", 0)
    # And none is taken that has not been proven equal.
    shutil.rmtree(tmp_path / "cache" / "engines")
    anew = _fit(pictures, tmp_path / "anew", fine_tune="no", cache=tmp_path / "cache")
    assert anew.record.plan.engine == "keras"
    assert anew.record.cache.computed > 0


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (regraft.fit, {"plan": Plan("none.keras", engine="onnxruntime")}),
        (regraft.depth, {"plan": Plan("none.keras", engine="onnxruntime")}),
        (regraft.rank, {"sources": ["none.keras"], "engine": "onnxruntime"}),
    ],
)
def test_an_engine_that_cannot_run_is_refused_before_anything_is_opened(
    ask: Any, words: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onnxruntime, "available", lambda: False)
    with pytest.raises(RequestError, match="the engine 'onnxruntime' is not installed; install it with: pip install"):
        ask(tmp_path / "none", **words)


def test_an_engine_that_is_not_installed_is_refused(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spreading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"install it with: pip install 'regraft\[ray\]', or leave --engine out"):
        _fit(pictures, tmp_path, engine="ray")

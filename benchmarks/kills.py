"""Runs that are killed at random moments, again and again, and resumed: each must end as one that was left alone.

A small run of `regraft.fit` with several phases and a refit, in processes of their own. A run is killed some times in a
row, then it may end; its weights, optimizer state, history and metrics are compared with those of the run that was
never touched, byte for byte. Moments are uniform over what is left of the run, loading of frameworks included.
"""

import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.frame import Bar, Result, Settings, Table

NAME = "kills"
# A run is killed so often before it may end.
_IN_A_ROW = 4
_SIDE = 16
_PLAN = "asked.toml"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run that was killed came to.

    Attributes:
        moments: seconds after the start of each process at which it was killed.
        exact: whether it ended as the run that was left alone.
        differs: what did not.
    """

    moments: tuple[float, ...]
    exact: bool
    differs: tuple[str, ...] = ()


def run(settings: Settings) -> Iterator[Result]:
    """Kill, resume, compare; the result so far after each run."""
    with tempfile.TemporaryDirectory() as place:
        outcomes: list[Outcome] = []
        for outcome in killed(Path(place), settings.kills):
            outcomes.append(outcome)
            yield summarise(outcomes, settings)


def summarise(outcomes: Sequence[Outcome], settings: Settings) -> Result:
    """The bar, and which runs did not end as the one that was left alone."""
    moments = [moment for outcome in outcomes for moment in outcome.moments]
    exact = sum(len(outcome.moments) for outcome in outcomes if outcome.exact)
    rows = (
        ("kills", str(len(moments))),
        ("runs", str(len(outcomes))),
        ("seconds after the start of a process, median", f"{statistics.median(moments):.1f}"),
        ("runs that did not end as the one left alone", str(sum(not outcome.exact for outcome in outcomes))),
    )
    bar = Bar(
        "every run ends exactly as the one that was left alone", f"{exact} of {len(moments)}", exact == len(moments)
    )
    table = Table("Killed and resumed", ("", "found"), rows)
    return Result(NAME, str(__doc__), (table,), tuple(map(asdict, outcomes)), (bar,), settings=settings)


def killed(place: Path, kills: int, seed: int = 0, epochs: int = 12) -> Iterator[Outcome]:
    """The outcome of one run after the other, until there were so many kills; each phase has so many epochs."""
    prepare(place, epochs)
    started = time.perf_counter()
    finish(place / "whole")
    length = time.perf_counter() - started
    expected = described(place / "whole")
    draws = random.Random(seed)
    done = number = 0
    while done < kills:
        number += 1
        run = place / f"run-{number}"
        moments: list[float] = []
        while done < kills and len(moments) < _IN_A_ROW:
            moment = draws.uniform(0, length)
            if not interrupted(run, moment):
                break
            moments.append(moment)
            done += 1
        finish(run)
        found = described(run)
        differs = tuple(name for name in expected if found.get(name) != expected[name])
        shutil.rmtree(run)
        if moments:
            yield Outcome(tuple(moments), not differs, differs)


def prepare(place: Path, epochs: int) -> None:
    """Pictures of digits, a network for them that knows nothing, and the plan."""
    import keras
    import numpy as np
    from sklearn.datasets import load_digits

    from regraft.core import plan as plans

    flat, labels = load_digits(return_X_y=True)
    small = np.asarray(flat[:240]).reshape(-1, _SIDE // 2, _SIDE // 2)
    pictures = np.repeat(np.kron(small, np.ones((2, 2)))[..., None] * 15, 3, axis=-1)
    np.savez(place / "digits.npz", x=pictures.astype(np.uint8), y=labels[:240])
    keras.utils.set_random_seed(1)
    inputs = keras.Input((_SIDE, _SIDE, 3))
    x: Any = inputs
    for index, width in enumerate((8, 12, 16)):
        x = keras.layers.Conv2D(width, 3, padding="same", name=f"conv{index}")(x)
        x = keras.layers.BatchNormalization(name=f"norm{index}")(x)
        x = keras.layers.ReLU(name=f"relu{index}")(x)
        x = keras.layers.Dropout(0.1, name=f"dropped{index}")(x)
    keras.Model(inputs, keras.layers.GlobalAveragePooling2D(name="pooled")(x)).save(place / "network.keras")
    plans.write(place / _PLAN, plan(place, epochs))


def plan(place: Path, epochs: int) -> Any:
    """Three phases, another optimizer in each, and the refit."""
    from regraft.core.phase import Phase, Rate
    from regraft.core.plan import FineTuneSpec, Plan

    top = (Rate("(head|conv2)/.*", 1e-3), Rate(".*", 0.0))
    phases = (
        Phase(name="top", rates=top, epochs=epochs, batch_size=8, keep="last"),
        Phase(
            name="more",
            rate=5e-4,
            optimizer="rmsprop",
            epochs=epochs,
            batch_size=8,
            keep="last",
            accumulate=2,
            feature_noise=0.1,
        ),
        Phase(
            name="all",
            rate=2e-4,
            optimizer="sgd",
            batch_norm="adapt",
            epochs=epochs,
            batch_size=8,
            keep="last",
            moving_average=0.9,
        ),
    )
    return Plan(
        str(place / "network.keras"),
        data=str(place / "digits.npz"),
        preprocessing="tf",
        baselines="no",
        refit="yes",
        augment=("crop",),
        views=2,
        fine_tune=FineTuneSpec("yes", from_cut="relu0", phases=phases),
    )


def work(run: Path) -> None:
    """What a process does: begin the run, or go on with it."""
    import regraft
    from regraft.core import plan as plans
    from regraft.recipes import run_folder
    from regraft.training import checkpoint

    # Written after every step that is a twentieth of a second from the last: a phase here takes a second.
    checkpoint.SAVE_SECONDS = 0.05
    cache = run.with_name(f"{run.name}-cache")
    if run_folder.is_begun(run):
        regraft.resume(run, cache=cache)
    else:
        made = plans.read(run.parent / _PLAN)
        regraft.fit(made.data, plan=made, out=run, cache=cache)


def started(run: Path) -> subprocess.Popen[bytes]:
    """The process that works at a run."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.kills", str(run)], env=environment, stderr=subprocess.DEVNULL
    )


def interrupted(run: Path, moment: float) -> bool:
    """Kill a process that works at a run after some seconds; False where it was done before."""
    process = started(run)
    try:
        process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return True
    return False


def finish(run: Path) -> None:
    """Let a run come to its end."""
    status = started(run).wait()
    if status:
        raise SystemExit(f"the run in {run} ended with status {status}")


def described(run: Path) -> dict[str, Any]:
    """All of a finished run that must be the same: weights, optimizer state, history, metrics, certificates."""
    import hashlib
    import zipfile

    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    history = [{key: value for key, value in row.items() if key != "seconds"} for row in record["history"]]
    with zipfile.ZipFile(run / "model.keras") as archive:
        weights = hashlib.sha256(archive.read("model.weights.h5")).hexdigest()
    with zipfile.ZipFile(run / "optimizer.npz") as archive:
        slots = {name: archive.read(name) for name in archive.namelist()}
    return {
        "weights": weights,
        "optimizer": hashlib.sha256(repr(sorted(slots.items())).encode()).hexdigest(),
        "history": json.dumps(history),
        "metrics": json.dumps(record["metrics"]),
        "phases": json.dumps(record["phases"]),
    }


if __name__ == "__main__":
    work(Path(sys.argv[1]))

"""Processes that several laws look at, started once."""

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

_ROOT = Path(__file__).resolve().parents[2]
_INTERRUPTED = "killed.npz"


@dataclass(frozen=True)
class Processes:
    """Two processes that did the same at the same time, with one cache between them, and a third that was killed.

    Attributes:
        cache: the folder that the first two filled.
        results: what came out of those two.
        interrupted: the checkpoint of the one that was killed in its third epoch.
    """

    cache: Path
    results: tuple[dict[str, Any], dict[str, Any]]
    interrupted: Path


@pytest.fixture(autouse=True)
def exact_arithmetic() -> Iterator[None]:
    """Laws that compare networks with each other are about float32, on a GPU too."""
    # The process that hands out tests reads this file before it starts the others, and needs no framework.
    from regraft.graph.arithmetic import exactly

    with exactly():
        yield


@pytest.fixture(autouse=True)
def drawn_at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """First weights are NumPy's on JAX, which compiles one for every shape; not where those of Keras are compared."""
    import keras

    if keras.backend.backend() != "jax" or request.path.name == "test_first_weights.py":
        return
    from keras.src.backend.jax import random

    for name, draw in _DRAWINGS.items():
        monkeypatch.setattr(random, name, _by_numpy(getattr(random, name), draw))


def _truncated(drawing: np.random.Generator, *moments: float, size: Any) -> Any:
    mean, deviation = moments or (0.0, 1.0)
    return mean + deviation * ndtri(drawing.uniform(ndtr(-2), ndtr(2), size))


_DRAWINGS: dict[str, Callable[..., Any]] = {
    "uniform": np.random.Generator.uniform,
    "normal": np.random.Generator.normal,
    "truncated_normal": _truncated,
}


def _by_numpy(of_keras: Callable[..., Any], draw: Callable[..., Any]) -> Callable[..., Any]:
    """The same by NumPy where the seed is a number, as it is for weights; what draws in a step has another one."""
    import keras

    def drawn(shape: Any, *bounds: float, dtype: Any = None, seed: Any = None, **named: float) -> Any:
        if not isinstance(seed, int):
            return of_keras(shape, *bounds, dtype=dtype, seed=seed, **named)
        values = draw(np.random.default_rng(seed), *bounds, *named.values(), size=tuple(shape))
        return keras.ops.convert_to_tensor(values.astype(np.float32), dtype or keras.config.floatx())

    return drawn


@pytest.fixture(scope="session")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Processes:
    """Made by the first worker that asks: the folder above its own is that of all workers of this run."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "processes"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _INTERRUPTED).exists():
            command = [sys.executable, "-m", "tests.laws.worker", str(folder)]
            ended = subprocess.run(command, cwd=_ROOT, check=False, capture_output=True, text=True)
            assert ended.returncode == 0, ended.stderr
    one, other = (json.loads((folder / f"{index}.json").read_text()) for index in range(2))
    return Processes(folder / "cache", (one, other), folder / _INTERRUPTED)

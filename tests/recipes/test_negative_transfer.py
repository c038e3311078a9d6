"""Where reuse does not help, a run says so; where it does, too."""

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.records import RunRecord
from regraft.recipes import demo, running
from regraft.report import reading
from tests.recipes.baselines.small import divided, network, new_digits, taught

Array = np.ndarray[Any, Any]

pytestmark = [pytest.mark.slow, pytest.mark.tuned]

_FROZEN: dict[str, Any] = {"fine_tune": "no", "cut_point": "dense"}


def known_digits() -> tuple[Array, Array]:
    """The digits 0 to 4."""
    images, labels = demo.digits()
    return images[labels < 5], labels[labels < 5]


@functools.cache
def shuffled(seed: int) -> keras.Model:
    """Knows by heart which of five labels was drawn for which digit; made once, and only looked at."""
    images, labels = known_digits()
    return taught(network(seed), images, np.random.default_rng(seed).permutation(labels), 30)


def noise(seed: int) -> keras.Model:
    """Has seen nothing but noise."""
    random = np.random.default_rng(seed)
    return taught(network(seed), random.integers(0, 256, (900, 8, 8, 1), np.uint8), random.integers(0, 5, 900), 30)


def textures(seed: int) -> keras.Model:
    """Tells in which of five directions a wave goes."""
    random, labels = np.random.default_rng(seed), np.arange(900) % 5
    down, right = np.mgrid[0:8, 0:8]
    angle = labels[:, None, None] * np.pi / 5
    wave = np.sin((np.cos(angle) * down + np.sin(angle) * right) * 2.2 + random.uniform(0, 6, (900, 1, 1)))
    pictures = np.clip(128 + 100 * wave + random.normal(0, 20, wave.shape), 0, 255).astype(np.uint8)
    return taught(network(seed), pictures[..., np.newaxis], labels, 20)


def digits(seed: int) -> keras.Model:
    """Tells the digits 0 to 4."""
    return taught(network(seed), *known_digits(), 15)


def run(source: keras.Model, arrays: dict[str, Array], folder: Path, seed: int, **more: Any) -> RunRecord:
    np.savez(folder / "data.npz", **arrays)  # pyright: ignore[reportArgumentType]
    settings: dict[str, Any] = {"views": 1, "refit": "no", "baselines": "yes", "seed": seed, **more}
    return running.fit(folder / "data.npz", source, out=folder / "run", cache=folder / "cache", **settings).record


def on_sheets(images: Array, random: np.random.Generator) -> Array:
    """Each picture at a place of its own on a black sheet: uint8 (n, 12, 12, 1)."""
    sheets = np.zeros((len(images), 12, 12, 1), np.uint8)
    for sheet, image, (top, left) in zip(sheets, images, random.integers(0, 5, (len(images), 2)), strict=True):
        sheet[top : top + 8, left : left + 8] = image
    return sheets


def on_new_digits(source: keras.Model, folder: Path, per_class: int = 40, seed: int = 0, **more: Any) -> RunRecord:
    return run(source, divided(*new_digits(), (per_class, 20), seed), folder, seed, **more)


@pytest.mark.parametrize("source", [shuffled, noise, textures])
def test_a_source_that_knows_nothing_of_use_is_not_said_to_help(source: Any, tmp_path: Path) -> None:
    record = on_new_digits(source(0), tmp_path)
    assert reading.outcome(record) in ("hurt", "unclear")
    assert record.verdict.startswith(("Reuse did harm: ", "Reuse did not help measurably: "))
    # The baselines are no straw men: a support vector machine reaches 98 to 99 %.
    assert record.baselines["scratch"].accuracy.value > 0.95
    assert record.baselines["raw_inputs"].accuracy.value > 0.93


def test_frozen_layers_that_learnt_labels_by_heart_do_harm(tmp_path: Path) -> None:
    record = on_new_digits(shuffled(0), tmp_path, **_FROZEN)
    assert reading.outcome(record) == "hurt"
    assert record.verdict.startswith("Reuse did harm: ")
    assert record.gains["scratch"].interval[1] < 0
    assert record.transfer_gain == record.gains["scratch"]
    # And it was worse than the same layers before they had learnt anything, as far as can be told.
    assert record.gains["random_trunk"].value < 0


def test_with_plenty_of_pictures_nothing_is_gained(tmp_path: Path) -> None:
    record = on_new_digits(digits(0), tmp_path, per_class=110)
    assert reading.outcome(record) in ("hurt", "unclear")
    assert record.gains["scratch"].interval[0] <= 0


def test_a_source_that_knows_what_matters_is_said_to_help(tmp_path: Path) -> None:
    images, labels = demo.digits()
    random = np.random.default_rng(0)
    order = random.permutation(len(images))
    seen, others = order[:900], order[900:]
    source = network(0, 10, 12)
    sheets = np.concatenate([on_sheets(images[seen], random) for _ in range(20)])
    taught(source, sheets, np.tile(labels[seen], 20), 1)
    parity = divided(on_sheets(images[others], random), labels[others] % 2, (25, 25), 0)
    record = run(source, parity, tmp_path, 0, fine_tune="no")
    assert reading.outcome(record) == "helped"
    assert record.verdict.startswith("Reuse helped: ")
    assert set(record.gains) == {"scratch", "random_trunk", "raw_inputs"}
    assert all(gain.interval[0] > 0.03 for gain in record.gains.values())

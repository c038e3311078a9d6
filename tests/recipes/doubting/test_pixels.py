"""The same picture is known by its pixels where a network does not know it; look-alikes are not taken for one."""

from pathlib import Path

import numpy as np
import pytest

from regraft import data
from regraft.recipes.doubting.pixels import confirmed, the_same
from regraft.training.doubts.nearest import nearest
from regraft.training.doubts.twins import Pairs
from tests.recipes.doubting.scenes import altered, scene

NONE = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@pytest.mark.parametrize("how", ["compressed", "resized", "cut"])
def test_copies_are_found_by_their_pixels(how: str, tmp_path: Path) -> None:
    for number in range(60):
        folder = tmp_path / "ab"[number % 2]
        folder.mkdir(exist_ok=True)
        scene(number).save(folder / f"{number:02}.png")
        if number < 4:
            altered(scene(number), how).save(folder / f"{number:02}-again.png")
    examples = data.open(tmp_path)
    # Activations that know copies for neighbours, and no more.
    draw = np.random.default_rng(0)
    own = {name: draw.standard_normal(24) for name in sorted({name[:4] for name in examples.names})}
    activations = np.stack([own[name[:4]] + 0.5 * draw.standard_normal(24) for name in examples.names]).astype(
        np.float32
    )
    found = the_same(examples, np.arange(len(examples)), nearest(activations, 20), NONE)
    pairs = {(examples.names[one], examples.names[other]) for one, other in zip(found.first, found.second, strict=True)}
    assert {frozenset(name[:4] for name in pair) for pair in pairs} == {
        frozenset([f"{'ab'[number % 2]}/{number:02}"]) for number in range(4)
    }
    assert len(pairs) == 4
    assert found.similarity.min() > 0.98


def test_what_all_look_like_is_no_copy() -> None:
    draw = np.random.default_rng(1)
    bar = np.zeros((28, 28, 1))
    bar[4:24, 12:16] = 255
    pictures = np.clip(bar + draw.normal(0, 20, (80, 28, 28, 1)), 0, 255).astype(np.uint8)
    examples = data.open((pictures, ["one", "other"] * 40))
    near = nearest(draw.standard_normal((80, 12)).astype(np.float32), 20)
    assert len(the_same(examples, np.arange(80), near, NONE).first) == 0


def test_few_pictures_are_read_where_there_is_nothing_to_find() -> None:
    draw = np.random.default_rng(2)
    examples = data.open((draw.integers(0, 256, (400, 16, 16, 3), dtype=np.uint8), ["one", "other"] * 200))
    read: list[int] = []

    class Counting:
        def load(self, indices: list[int], channels: int | None) -> list[np.ndarray]:
            read.extend(indices)
            return examples.load(indices, channels)

    near = nearest(draw.standard_normal((400, 12)).astype(np.float32), 20)
    found = the_same(Counting(), np.arange(400), near, NONE)  # pyright: ignore[reportArgumentType]
    assert len(found.first) == 0
    assert len(read) <= 50


def test_vectors_have_no_pixels() -> None:
    x = np.random.default_rng(3).standard_normal((60, 7)).astype(np.float32)
    examples = data.open((x, ["one", "other"] * 30))
    assert len(the_same(examples, np.arange(60), nearest(x, 20), NONE).first) == 0


def test_what_only_the_network_takes_for_the_same_is_not() -> None:
    pictures = np.stack([np.asarray(scene(number)) for number in range(6)])
    pictures[1], pictures[3] = pictures[0][:, ::-1], pictures[2] // 2
    examples = data.open((pictures, ["one", "other"] * 3))
    found = Pairs(np.array([0, 2, 4]), np.array([1, 3, 5]), np.ones(3))
    assert confirmed(examples, np.arange(6), found).first.tolist() == [0, 2]
    vectors = data.open((np.arange(60.0).reshape(6, 10), ["one", "other"] * 3))
    assert confirmed(vectors, np.arange(6), found).first.tolist() == [0, 2, 4]

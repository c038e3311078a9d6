"""The bars of `doubts`, and what it plants."""

import numpy as np
from PIL import Image

from benchmarks import doubts


def measured(found: int, doubted: int) -> dict[str, object]:
    copies = dict.fromkeys(doubts.CHANGES, (found, 30))
    return {"data": "flowers5_227px", "copies": copies, "doubted": doubted, "examples": 700}


def test_bars_are_about_slight_changes_and_clean_labels():
    assert [bar.holds for bar in doubts.bars([measured(28, 7), measured(29, 0)])] == [True, True]
    assert [bar.holds for bar in doubts.bars([measured(28, 8), measured(28, 0)])] == [False, False]
    assert doubts.bars([measured(30, 0)])[0].found == "120 of 120"


def test_copies_and_odd_ones_stand_behind_the_examples():
    draw = np.random.default_rng(0)
    originals = [Image.fromarray(draw.integers(0, 256, (40, 40, 3), dtype=np.uint8)) for _ in range(50)]
    strange = {"empty": [Image.new("RGB", (40, 40), "white")] * 2}
    made = doubts._planted("x", originals, np.arange(50) % 4, strange, (32, 32), "RGB", draw)
    assert made.pictures.shape == (50 + 30 * len(doubts.CHANGES) + 2, 32, 32, 3)
    assert made.clean == 50
    assert made.odd == {"empty": [len(made.pictures) - 2, len(made.pictures) - 1]}
    for original, copy in made.copies["mirrored"]:
        assert made.labels[copy] == made.labels[original]
        np.testing.assert_array_equal(made.pictures[copy][:, ::-1], made.pictures[original])

from pathlib import Path

import numpy as np

from benchmarks import reading
from benchmarks.frame import Settings


def test_the_worst_ratio_is_judged():
    measured = {
        (256, 32): ([2.0, 3.0, 2.0], [1.0, 1.0, 1.0]),
        (4096, 32): ([0.7, 0.7, 0.7], [1.0, 1.0, 1.0]),
        (102_400, 256): ([0.9, 0.9, 0.9], [1.0, 1.0, 1.0]),
    }
    result = reading.compare(measured, Settings())
    assert [row[-1] for row in result.tables[0].rows] == ["2.00", "0.70", "0.90"]
    assert [(bar.found, bar.holds) for bar in result.bars] == [("0.70", False)]


def test_both_ways_read_the_same(tmp_path: Path):
    mapped, selected = reading._made(tmp_path, 256, 256 * 300)
    chosen = np.array([299, 0, 17, 17])
    assert np.array_equal(mapped[chosen], selected.gather(chosen))
    mapped_times, store_times = reading._pairs(mapped, selected, 8)
    assert len(mapped_times) == len(store_times) == reading._MOST

"""Which epoch of a phase is kept."""

import pytest

from regraft.core.phase import latest_good


@pytest.mark.parametrize(
    ("accuracies", "n", "epoch"),
    [
        ((0.1, 0.5, 0.9, 0.88, 0.86, 0.7), 100, 3),  # 0.9 with a standard error of 0.03
        ((0.1, 0.5, 0.9, 0.88, 0.86, 0.7), 10_000, 2),
        ((0.6, 0.5, 0.4, 0.58), 25, 0),  # never back where it began
        ((0.6, 0.5, 0.9, 0.1, 0.95), 10, 4),
        ((0.2,), 5, 0),
    ],
)
def test_the_epoch_taken_is_the_latest_good_one(accuracies: tuple[float, ...], n: int, epoch: int) -> None:
    assert latest_good(accuracies, n) == epoch

"""How a rate goes over the steps."""

import keras
import numpy as np
import pytest

from regraft.training.schedules import schedule


def _rates(kind: str, peak: float, steps: int, warmup: float) -> list[float]:
    made = schedule(kind, peak, steps, warmup)
    return [float(np.asarray(keras.ops.convert_to_numpy(made(step)))) for step in range(steps + 1)]


def test_cosine_rises_in_a_line_and_falls_to_zero() -> None:
    rates = _rates("cosine", 0.2, 20, 0.25)
    assert rates[:6] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2])
    expected = [0.1 * (1 + np.cos(np.pi * step / 15)) for step in range(16)]
    assert rates[5:] == pytest.approx(expected, abs=1e-7)


def test_constant_rises_and_stays() -> None:
    assert _rates("constant", 0.2, 10, 0.2) == pytest.approx([0, 0.1, *[0.2] * 9])


@pytest.mark.parametrize("kind", ["cosine", "constant"])
def test_without_warm_up_the_first_step_has_the_peak(kind: str) -> None:
    assert _rates(kind, 0.3, 5, 0.0)[0] == pytest.approx(0.3)


@pytest.mark.parametrize("kind", ["cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
def test_a_phase_of_one_step_learns(kind: str, warmup: float) -> None:
    rates = _rates(kind, 0.3, 1, warmup)
    assert all(np.isfinite(rates))
    assert rates[0] == pytest.approx(0.3)

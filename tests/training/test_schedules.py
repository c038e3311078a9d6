"""How a rate goes over the steps: by formulas written out, and as Keras, PyTorch and optax have it."""

import json
import math
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.core.phase import SCHEDULES, Phase, Schedule
from regraft.training.schedules import schedule

# Of the peak: float32 knows 7 digits, and a formula takes some roundings.
CLOSE = 1e-6


def _rates(kind: Schedule, peak: float, steps: int, warmup: float, **options: Any) -> list[float]:
    made = schedule(Phase(schedule=kind, warmup=warmup, **options), peak, steps)
    return [float(np.asarray(keras.ops.convert_to_numpy(made(step)))) for step in range(steps + 1)]


def test_cosine_rises_in_a_line_and_falls_to_zero() -> None:
    rates = _rates("cosine", 0.2, 20, 0.25)
    assert rates[:6] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2])
    expected = [0.1 * (1 + np.cos(np.pi * step / 15)) for step in range(16)]
    assert rates[5:] == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_what_is_told_of_a_step_is_what_it_is_taken_at(kind: Schedule) -> None:
    options = {"drops": (0.5, 0.75)} if kind == "step" else {"cycles": 3} if kind == "cosine-restarts" else {}
    made = schedule(Phase(schedule=kind, warmup=0.3, **options), 0.2, 2500, start=7)
    for step in (2500, 7, 8, 757, 1500, 1040, 1041, 0, 9999):
        called = float(np.asarray(keras.ops.convert_to_numpy(made(step))))
        assert made.at(step) == pytest.approx(called, rel=1e-6, abs=1e-12), step


def test_constant_rises_and_stays() -> None:
    assert _rates("constant", 0.2, 10, 0.2) == pytest.approx([0, 0.1, *[0.2] * 9])


@pytest.mark.parametrize("kind", ["cosine", "constant", "step", "exponential", "linear", "one-cycle"])
def test_without_warm_up_the_first_step_has_the_peak(kind: Schedule) -> None:
    assert _rates(kind, 0.3, 5, 0.0)[0] == pytest.approx(0.3)


@pytest.mark.parametrize("kind", [kind for kind in SCHEDULES if kind not in ("step", "cosine-restarts")])
@pytest.mark.parametrize("warmup", [0.0, 0.5, 0.99])
def test_a_phase_of_one_step_learns(kind: Schedule, warmup: float) -> None:
    rates = _rates(kind, 0.3, 1, warmup)
    assert all(np.isfinite(rates))
    assert rates[0] == pytest.approx(0.3)


def _in_four_cycles(t: int) -> float:
    """Of 30 steps after 10: the borders are at whole steps, 7.5 and 22.5 at their even neighbours."""
    borders = [0, 8, 15, 22, 30]
    cycle = max(index for index in range(4) if t - 10 >= borders[index])
    part = (t - 10 - borders[cycle]) / (borders[cycle + 1] - borders[cycle])
    return (1 + math.cos(math.pi * part)) / 2


# Of 40 steps, 10 of which rise: options, the part of the peak in the rise and after it, by the step.
_BY_HAND: dict[Schedule, tuple[dict[str, Any], Callable[[int], float], Callable[[int], float]]] = {
    "constant": ({}, lambda t: t / 10, lambda t: 1.0),
    "cosine": ({}, lambda t: t / 10, lambda t: (1 + math.cos(math.pi * (t - 10) / 30)) / 2),
    "cosine-restarts": (
        {"cycles": 4},
        lambda t: t / 10,
        _in_four_cycles,
    ),
    "exponential": ({}, lambda t: t / 10, lambda t: 0.01 ** ((t - 10) / 30)),
    "linear": ({}, lambda t: t / 10, lambda t: 1 - (t - 10) / 30),
    "one-cycle": (
        {},
        lambda t: 0.04 + 0.96 * (1 - math.cos(math.pi * t / 10)) / 2,
        lambda t: 1e-5 + (1 - 1e-5) * (1 + math.cos(math.pi * (t - 10) / 30)) / 2,
    ),
    # Howard and Ruder 2018, equation 3.
    "slanted-triangular": (
        {},
        lambda t: (1 + t / 10 * 31) / 32,
        lambda t: (1 + (1 - (t - 10) / (10 * (1 / 0.25 - 1))) * 31) / 32,
    ),
    "step": ({"drops": (0.5, 0.75)}, lambda t: t / 10, lambda t: 1.0 if t < 20 else 0.1 if t < 30 else 0.01),
}


@pytest.mark.parametrize("kind", SCHEDULES)
def test_every_schedule_is_its_formula(kind: Schedule) -> None:
    options, rises, falls = _BY_HAND[kind]
    expected = [rises(step) if step < 10 else falls(step) for step in range(41)]
    assert np.array(_rates(kind, 0.5, 40, 0.25, **options)) / 0.5 == pytest.approx(expected, abs=CLOSE)


@pytest.mark.parametrize("kind", [kind for kind in SCHEDULES if kind != "constant"])
def test_a_floor_is_where_a_schedule_ends(kind: Schedule) -> None:
    rates = _rates(kind, 2.0, 40, 0.25, floor=0.125)
    assert rates[-1] == pytest.approx(0.25, rel=CLOSE)
    assert max(rates) == pytest.approx(2.0, rel=CLOSE)
    assert min(rates[10:]) >= 0.25 * (1 - CLOSE)


def test_every_cycle_begins_at_the_peak_however_steps_divide() -> None:
    rates = np.array(_rates("cosine-restarts", 0.3, 100, 0.0, cycles=7))
    assert np.flatnonzero(rates == rates[0]).tolist() == [round(100 * index / 7) for index in range(7)]


@pytest.mark.parametrize("kind", SCHEDULES)
def test_after_the_last_step_the_rate_stays_and_before_the_first_it_is_the_first(kind: Schedule) -> None:
    made = schedule(Phase(schedule=kind), 0.1, 30, start=1000)
    assert float(made(1030)) == float(made(5000))
    assert float(made(0)) == float(made(1000))


@pytest.mark.parametrize("kind", SCHEDULES)
def test_a_phase_may_begin_at_any_count_of_steps_and_all_rates_be_multiplied(kind: Schedule) -> None:
    plain = _rates(kind, 0.1, 30, 0.2)
    # Above what float32 can count.
    later = schedule(Phase(schedule=kind, warmup=0.2), 0.1, 30, start=2**24 + 1)
    later.factor = 0.5
    assert [float(later(2**24 + 1 + step)) * 2 for step in range(31)] == pytest.approx(plain, rel=1e-7, abs=0)


def _keras(kind: Schedule) -> Any:
    schedules = keras.optimizers.schedules
    return {
        "cosine": lambda: schedules.CosineDecay(0.0, 30, 0.1, warmup_target=0.3, warmup_steps=10),
        "linear": lambda: schedules.PolynomialDecay(0.3, 40, 0.03),
        "exponential": lambda: schedules.ExponentialDecay(0.3, 40, 0.1),
        "cosine-restarts": lambda: schedules.CosineDecayRestarts(0.3, 10, t_mul=1.0, m_mul=1.0, alpha=0.1),
        # Keras drops after the step that it names.
        "step": lambda: schedules.PiecewiseConstantDecay([19, 29], [0.3, 0.03, 0.003]),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("cosine", {"floor": 0.1, "warmup": 0.25}),
        ("linear", {"floor": 0.1}),
        ("exponential", {"floor": 0.1}),
        ("cosine-restarts", {"floor": 0.1, "cycles": 4}),
        ("step", {"drops": (0.5, 0.75)}),
    ],
)
def test_as_keras_has_it(kind: Schedule, options: dict[str, Any]) -> None:
    # Without the end of the last cycle, which for Keras is the beginning of another.
    expected = [float(_keras(kind)(step)) for step in range(40)]
    assert _rates(kind, 0.3, 40, **{"warmup": 0.0, **options})[:40] == pytest.approx(expected, abs=CLOSE * 0.3)


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
def test_cosine_is_that_of_keras_to_the_bit(warmup: float) -> None:
    rising = round(warmup * 65)
    made = keras.optimizers.schedules.CosineDecay(
        0.0 if rising else 3e-4, 65 - rising, warmup_target=3e-4 if rising else None, warmup_steps=rising
    )
    assert _rates("cosine", 3e-4, 65, warmup) == [float(made(step)) for step in range(66)]


def _torch(kind: Schedule) -> Any:
    import torch

    scheduler = torch.optim.lr_scheduler
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    made = {
        "cosine": lambda: scheduler.CosineAnnealingLR(optimizer, 40, 0.03),
        "linear": lambda: scheduler.LinearLR(optimizer, 1.0, 0.1, 40),
        "exponential": lambda: scheduler.ExponentialLR(optimizer, 0.1 ** (1 / 40)),
        "cosine-restarts": lambda: scheduler.CosineAnnealingWarmRestarts(optimizer, 10, 1, 0.03),
        "step": lambda: scheduler.MultiStepLR(optimizer, [20, 30]),
        # PyTorch counts one step more, so that its last has the lowest rate; 10 of 40 rise.
        "one-cycle": lambda: scheduler.OneCycleLR(
            optimizer, 0.3, 41, pct_start=11 / 41, cycle_momentum=False, final_div_factor=4
        ),
    }[kind]()
    rates: list[float] = []
    for _ in range(40):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        made.step()
    return rates


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("cosine", {"floor": 0.1}),
        ("linear", {"floor": 0.1}),
        ("exponential", {"floor": 0.1}),
        ("cosine-restarts", {"floor": 0.1, "cycles": 4}),
        ("step", {"drops": (0.5, 0.75)}),
        ("one-cycle", {"floor": 0.01, "warmup": 0.25}),
    ],
)
def test_as_pytorch_has_it(kind: Schedule, options: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    rates = _rates(kind, 0.3, 40, **{"warmup": 0.0, **options})[:40]
    assert rates == pytest.approx(_torch(kind), abs=CLOSE * 0.3)


def _optax(kind: Schedule) -> Any:
    optax = pytest.importorskip("optax")
    return {
        "cosine": lambda: optax.warmup_cosine_decay_schedule(0.0, 0.3, 10, 40, 0.03),
        "linear": lambda: optax.linear_schedule(0.3, 0.03, 40),
        "exponential": lambda: optax.exponential_decay(0.3, 40, 0.1),
        "step": lambda: optax.piecewise_constant_schedule(0.3, {20: 0.1, 30: 0.1}),
        "one-cycle": lambda: optax.cosine_onecycle_schedule(40, 0.3, 0.25, 25.0, 4.0),
        "slanted-triangular": lambda: optax.linear_onecycle_schedule(40, 0.3, 0.25, 1.0, 32.0, 32.0),
    }[kind]()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("cosine", {"floor": 0.1, "warmup": 0.25}),
        ("linear", {"floor": 0.1}),
        ("exponential", {"floor": 0.1}),
        ("step", {"drops": (0.5, 0.75)}),
        ("one-cycle", {"floor": 0.01, "warmup": 0.25}),
        ("slanted-triangular", {"warmup": 0.25}),
    ],
)
def test_as_optax_has_it(kind: Schedule, options: dict[str, Any]) -> None:
    made = _optax(kind)
    expected = [float(made(step)) for step in range(40)]
    assert _rates(kind, 0.3, 40, **{"warmup": 0.0, **options})[:40] == pytest.approx(expected, abs=CLOSE * 0.3)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_an_optimizer_that_has_it_is_saved_and_opened(kind: Schedule, tmp_path: Path) -> None:
    made = schedule(Phase(schedule=kind, warmup=0.2), 0.1, 30, start=7)
    made.factor = 0.5
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(made), "mse")
    model.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras").optimizer
    after = [float(opened._learning_rate(step)) for step in range(7, 38)]
    assert after == [float(made(step)) for step in range(7, 38)]
    assert json.loads(json.dumps(made.get_config()))["kind"] == kind


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"schedule": "constant", "floor": 0.1},
            "expected no fine_tune.floor beside the schedule 'constant', which does not fall, found 0.1; leave it out",
        ),
        ({"schedule": "exponential", "floor": 0.0}, "expected fine_tune.floor above 0 for the schedule 'exponential'"),
        (
            {"schedule": "step", "warmup": 0.5, "drops": (0.25, 0.75)},
            "expected the first of fine_tune.drops after the warm-up, which takes 0.5 of the phase, found 0.25",
        ),
        (
            {"schedule": "cosine-restarts", "warmup": 0.5, "cycles": 6},
            "expected fine_tune.cycles up to the 5 steps of the phase after its warm-up, found 6",
        ),
    ],
)
def test_what_a_schedule_cannot_do_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        schedule(Phase(**options), 0.1, 10)


_COMPILED = """
import json, sys
import keras, numpy as np
from regraft.core.phase import SCHEDULES, Phase
from regraft.training.schedules import schedule

backend = keras.backend.backend()
rates = {}
for kind in SCHEDULES:
    made = schedule(Phase(schedule=kind, warmup=0.25), 0.5, 12, start=3)
    optimizer = keras.optimizers.SGD(made)
    weight = keras.Variable(np.zeros(1, "float32"))
    optimizer.build([weight])
    optimizer.iterations.assign(3)
    moved = []
    if backend == "jax":
        import jax
        step = jax.jit(lambda state, value: optimizer.stateless_apply(state, [-np.ones(1, "float32")], value))
        state, value = [item.value for item in optimizer.variables], [weight.value]
        for _ in range(12):
            value, state = step(state, value)
            moved.append(float(value[0][0]))
    else:
        if backend == "tensorflow":
            import tensorflow as tf
            step = tf.function(lambda: optimizer.apply([tf.constant([-1.0])], [weight]), autograph=False)
        else:
            import torch
            def step():
                with torch.no_grad():
                    optimizer.apply([-torch.ones(1)], [weight])
        for _ in range(12):
            step()
            moved.append(float(keras.ops.convert_to_numpy(weight)[0]))
    rates[kind] = moved
print(json.dumps(rates))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.slow
def test_in_a_compiled_step_of_every_backend_weights_move_by_its_rates(
    backend: str, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip(backend)
    for kind, moved in json.loads(_compiled(backend, capsys).splitlines()[-1]).items():
        # Sums of twelve rates up to 0.5 in float32.
        assert np.diff([0.0, *moved]) == pytest.approx(_rates(kind, 0.5, 12, 0.25)[:12], abs=2e-6), kind


def _compiled(backend: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What the program prints; other backends than that of this process need one of their own."""
    if backend == keras.backend.backend():
        exec(_COMPILED, {})
        return capsys.readouterr().out
    environment = {**os.environ, "KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", _COMPILED], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout

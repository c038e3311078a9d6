"""The first of a ranking, fitted: at which rate, and with what beside it."""

from types import SimpleNamespace
from typing import Any

import pytest

from regraft.core.metric import Metric
from regraft.core.plan import Plan
from regraft.recipes.ranking import confirming


def test_all_that_the_plan_asks_for_is_done_at_the_rate_with_the_least_log_loss(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    losses = dict(zip(confirming.RATES, (0.5, 0.3, 0.4), strict=True))
    asked: list[tuple[str, object]] = []

    def fit(*_: Any, plan: Plan, **__: Any) -> SimpleNamespace:
        rate = plan.fine_tune.rate
        asked.append((plan.baselines, rate))
        measures = SimpleNamespace(log_loss=Metric(losses[float(rate)], (0.0, 1.0)))
        return SimpleNamespace(record=SimpleNamespace(metrics={"validation": measures}))

    monkeypatch.setattr(confirming.running, "fit", fit)
    confirming.fitted("data", "source", Plan("source", baselines="yes"), {}, None)
    assert asked == [*(("no", rate) for rate in confirming.RATES), ("yes", confirming.RATES[1])]

"""Which variables learn at which rate."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError, SelectorError
from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.surgery.graft import graft
from regraft.training.optimizers import updates
from regraft.training.rates import set_trainable, with_rates
from tests.laws.networks import built


def _spec(*rates: tuple[str, float], **options: object) -> Phase:
    return Phase(rates=tuple(Rate(*pair) for pair in rates), **options)  # pyright: ignore[reportArgumentType]


def _groups(branch: keras.Model, spec: Phase, steps: int) -> Any:
    return updates(spec, set_trainable(branch, spec), names.variables(branch), steps).groups


def test_the_first_rule_that_matches_gives_the_rate() -> None:
    branch = graft(built("chain"), 2)
    rates = set_trainable(branch, _spec(("head/.*", 0.1), ("conv1/.*", 0.0), (".*bias", 0.0), (".*", 0.01)))
    assert rates == {"conv0/kernel": 0.01, "top/kernel": 0.01, "head/kernel": 0.1, "head/bias": 0.1}
    assert names.trainable(branch) == ["conv0/kernel", "top/kernel", "head/kernel", "head/bias"]


def test_batch_norm_learns_only_where_the_plan_says_so() -> None:
    for policy, expected in (
        ("frozen", set[str]()),
        ("adapt", {"norm0/gamma", "norm0/beta", "norm1/gamma", "norm1/beta"}),
    ):
        branch = graft(built("chain"), 2)
        rates = set_trainable(branch, _spec((".*", 0.1), batch_norm=policy))
        assert {name for name in rates if name.startswith("norm")} == expected
        assert branch.get_layer("norm0").trainable == bool(expected)


def test_one_optimizer_for_each_rate_the_highest_first() -> None:
    made = _groups(graft(built("chain"), 2), _spec(("head/.*", 0.1), (".*", 0.01)), 10)
    assert [group.rate for group in made] == [0.1, 0.01]
    assert list(made[0].variables) == ["head/kernel", "head/bias"]


@pytest.mark.parametrize("name", ["adam", "Adam", "sgd", "RMSprop", "adamw", "lion"])
def test_keras_optimizers_are_known_by_name(name: str) -> None:
    (group,) = _groups(graft(None, 2, shape=(3,)), _spec((".*", 0.1), optimizer=name, weight_decay=0.01), 10)
    assert type(group.optimizer).__name__.lower() == name.lower()
    assert group.optimizer.weight_decay == 0.01


def test_only_kernels_decay() -> None:
    branch = graft(None, 2, shape=(3,))
    (group,) = _groups(
        branch, _spec((".*", 1.0), optimizer="sgd", weight_decay=0.5, schedule="constant", warmup=0.0), 10
    )
    for variable in group.variables.values():
        variable.assign(np.ones(variable.shape))
    group.optimizer.apply([keras.ops.zeros(variable.shape) for variable in group.variables.values()])
    after = {name: float(keras.ops.convert_to_numpy(value).ravel()[0]) for name, value in group.variables.items()}
    assert after == {"head/kernel": 0.5, "head/bias": 1.0}


def test_an_unknown_optimizer_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="Keras has no optimizer 'adan'; nearest known names: adam"):
        _groups(graft(None, 2, shape=(3,)), _spec((".*", 0.1), optimizer="adan"), 10)


def test_a_plan_by_which_nothing_learns_is_refused() -> None:
    message = (
        "expected a positive rate for some variable, found none: nothing would learn; give the plan's fine_tune.rates"
    )
    with pytest.raises(RequestError, match=message):
        _groups(graft(built("chain"), 2), _spec((".*", 0.0)), 10)


def test_rules_are_total_and_none_is_without_effect() -> None:
    with pytest.raises(SelectorError, match="found none that matches 'conv0/kernel'"):
        set_trainable(graft(built("chain"), 2), _spec(("head/.*", 0.1)))
    with pytest.raises(SelectorError, match=r"rule 'conv9/\.\*' matches no variable"):
        set_trainable(graft(built("chain"), 2), _spec(("conv9/.*", 0.1), (".*", 0.1)))


def test_rates_fall_from_layer_to_layer_whatever_the_source_had_frozen() -> None:
    branch = graft(built("chain"), 2)
    branch.get_layer("conv0").trainable = False
    spec = with_rates(Phase(rates=(), rate=0.1, layer_decay=0.5), branch)
    assert set_trainable(branch, spec) == {
        "head/kernel": 0.1,
        "head/bias": 0.1,
        "top/kernel": 0.05,
        "top/bias": 0.05,
        "conv1/kernel": 0.025,
        "conv0/kernel": 0.0125,
    }
    assert with_rates(spec, branch) is spec

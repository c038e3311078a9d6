"""Finding a rate for a phase: on problems whose best rates brute force knows."""

from collections.abc import Iterable
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import RequestError, WorkError
from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.surgery.graft import graft, set_head
from regraft.training.again import Again
from regraft.training.feeds import Feed
from regraft.training.rate_finder import batches, find, found_rate, with_found
from regraft.training.rates import set_trainable
from tests.laws.networks import built

_RANDOM = np.random.default_rng(0)
_LABELS = np.arange(600) % 3
_X = (_RANDOM.normal(size=(600, 6)) + 2 * np.eye(3, 6)[_LABELS]).astype("float32")
_FEED = Feed(lambda chosen, view: _X[chosen], _LABELS)
# Twenty rates, five to a decade.
_GRID = np.geomspace(1e-3, 10, 21)


def _branch() -> keras.Model:
    branch = graft(None, 3, shape=(6,))
    set_head(branch, np.zeros((6, 3), "float32"), np.zeros(3, "float32"))
    return branch


def _phase(optimizer: str, **options: Any) -> Phase:
    given: dict[str, Any] = {"rate": "find", "epochs": 2, "schedule": "constant", "warmup": 0.0}
    return Phase(optimizer=optimizer, **(given | options))


def _losses(phase: Phase, rates: Iterable[float]) -> list[float]:
    """What the phase ends with at each rate, with new optimizers; all are lessons of one compiled step."""
    branch = _branch()
    lessons = Again(branch, Phase.of(phase, rate=1.0, rates=(Rate(".*", 1.0),), state="reset", keep="last"))
    ended = (lessons.train(names.values(branch), _FEED, 0, validation=_FEED, factor=rate) for rate in rates)
    return [lesson.history[-1].validation_loss for lesson in ended]


@pytest.mark.parametrize(
    ("optimizer", "options"),
    [("sgd", {"momentum": 0.0}), ("momentum", {}), ("adam", {}), ("rmsprop", {}), ("lion", {})],
)
@pytest.mark.slow
def test_it_is_near_the_best_of_a_grid_for_every_kind(optimizer: str, options: dict[str, Any]) -> None:
    phase = _phase(optimizer, options=options)
    found = find(_branch(), phase, _FEED, 0).suggested
    *losses, gained = _losses(phase, [*_GRID[::2], found])
    best = _GRID[::2][np.argmin(losses)]
    assert best / 10 <= found <= best * 10
    # Half of what the best rate gains is gained at the least.
    assert gained < (np.log(3) + min(losses)) / 2


def test_what_a_phase_drops_is_dropped_before_the_first_step_too() -> None:
    """A head that is sure of all examples, and much less so of half of each."""
    branch = graft(None, 3, shape=(6,), dropout=0.9)
    set_head(branch, np.vstack([60 * np.eye(3), np.zeros((3, 3))]).astype("float32"), np.zeros(3, "float32"))
    sure = Feed(lambda chosen, view: np.eye(3, 6, dtype="float32")[_LABELS[chosen]], _LABELS)
    found = find(branch, _phase("rmsprop", dropout=0.5), sure, 0)
    assert found.losses[0] > 0.1
    assert len(found.losses) > 20
    # Of a phase that drops nothing, nothing is dropped, though another phase of the branch does.
    assert find(branch, _phase("rmsprop"), sure, 0).losses[0] < 1e-6


def test_a_phase_gets_the_number_and_keeps_its_proportions() -> None:
    rates = (Rate("head/bias", 0.2), Rate("head/kernel", 0.05))
    phase = _phase("adam", rates=rates)
    made = found_rate(_branch(), phase, _FEED, 3)
    assert isinstance(made.rate, float)
    assert [rule.rate for rule in made.rates] == pytest.approx([made.rate, made.rate / 4])
    assert Phase.of(made, rate="find", rates=rates) == phase
    settled = Phase(rate=0.1)
    assert found_rate(_branch(), settled, _FEED, 3) is settled
    # Rates that are not written out are made of the found one later, as of any.
    assert with_found(_phase("adam"), find(_branch(), _phase("adam"), _FEED, 3)).rates == ()


def test_layers_learn_at_their_parts_and_the_branch_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    from regraft.training import rate_finder

    branch = graft(built("chain"), 2)
    before = {name: np.array(keras.ops.convert_to_numpy(value)) for name, value in names.variables(branch).items()}
    trainable = {name: value.trainable for name, value in names.variables(branch).items()}
    made: list[Any] = []

    def watched(model: Any, parts: Any) -> Any:
        made.extend(parts.groups)
        return stepper(model, parts)

    stepper = rate_finder.stepper
    monkeypatch.setattr(rate_finder, "stepper", watched)
    shape = branch.inputs[0].shape[1:]
    x = np.random.default_rng(1).normal(size=(48, *shape)).astype("float32")
    feed = Feed(lambda chosen, view: x[chosen], np.arange(48) % 2)
    phase = _phase("sgd", layer_decay=0.5, batch_size=16, schedule="cosine", floor=0.1)
    find(branch, phase, feed, 0, steps=20, lowest=1e-4, highest=1e-2)
    for name, value in names.variables(branch).items():
        np.testing.assert_array_equal(before[name], keras.ops.convert_to_numpy(value), err_msg=name)
        assert value.trainable == trainable[name]
    assert [group.rate for group in made] == [1.0, 0.5, 0.25, 0.125]
    for group in made:
        first, last = (float(group.optimizer._learning_rate(step)) for step in (0, 19))
        # Float32 powers.
        assert (first, last) == pytest.approx((1e-4 * group.rate, 1e-2 * group.rate), rel=1e-5)


def test_one_seed_one_answer_dropout_included() -> None:
    inputs = keras.Input((6,))
    dropped = keras.layers.Dropout(0.5, name="drop")(inputs)
    branch = keras.Model(inputs, keras.layers.Dense(3, name="head")(dropped))
    found = [find(branch, _phase("adam"), _FEED, seed, steps=40, lowest=1e-4) for seed in (1, 1, 2)]
    assert found[0] == found[1]
    assert found[0].losses != found[2].losses


def test_batches_are_of_one_size_and_whole_epochs() -> None:
    made = batches(50, 16, 7, 0)
    assert {len(chosen) for chosen in made} == {16}
    for epoch in (made[:3], made[3:6]):
        assert len({index for chosen in epoch for index in chosen}) == 48
    assert made[:3] != made[3:6]
    assert {len(chosen) for chosen in batches(5, 16, 3, 0)} == {5}


def test_what_cannot_be_tried_is_refused() -> None:
    with pytest.raises(RequestError, match="expected examples to find a learning rate with, found none"):
        find(_branch(), _phase("adam"), Feed(_FEED.fetch, _LABELS[:0]), 0)
    bad = _X.copy()
    bad[17] = np.nan
    with pytest.raises(WorkError, match="the loss is nan before any step was taken"):
        find(_branch(), _phase("adam"), Feed(lambda chosen, view: bad[chosen], _LABELS), 0)
    frozen = _phase("adam", rates=(Rate(".*", 0.0),))
    with pytest.raises(RequestError, match="nothing would learn"):
        find(_branch(), frozen, _FEED, 0)
    assert set_trainable(_branch(), frozen) == {}

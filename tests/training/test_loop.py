"""Training beyond what the laws say: what is chosen, what is fetched, what is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from regraft.core.errors import WorkError
from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.surgery.graft import graft, set_head
from regraft.training.feeds import Feed, drawn
from regraft.training.loop import train
from regraft.training.predicting import predict

_RANDOM = np.random.default_rng(0)
_LABELS = np.arange(60) % 3
_X = (_RANDOM.normal(size=(60, 4)) + np.eye(3, 4)[_LABELS] * 3).astype("float32")
_FEED = Feed(lambda chosen, view: _X[chosen], _LABELS)
_NONE = Feed(_FEED.fetch, _LABELS[:0])


def _branch() -> keras.Model:
    branch = graft(None, 3, shape=(4,))
    set_head(branch, np.zeros((4, 3), "float32"), np.zeros(3, "float32"))
    return branch


def _spec(**options: Any) -> Phase:
    given = {"rates": (Rate(".*", 0.05),), "epochs": 4, "batch_size": 16, **options}
    return Phase(**given)


def test_it_learns_and_says_how() -> None:
    trained = train(_branch(), _spec(), _FEED, _FEED, seed=0)
    assert [row.epoch for row in trained.history] == [0, 1, 2, 3, 4]
    assert [row.phase for row in trained.history] == ["fine-tune"] * 5
    assert trained.history[0].loss is None
    assert trained.history[0].validation_loss == pytest.approx(np.log(3), rel=1e-5)
    assert trained.history[-1].validation_accuracy > 0.9
    assert trained.frozen == ()
    found = predict(trained.model, _FEED)
    assert found.shape == (60, 3)
    assert found.sum(axis=1) == pytest.approx(1)
    row = trained.history[trained.best]
    assert np.mean(found.argmax(axis=1) == _LABELS) == pytest.approx(row.validation_accuracy)


def test_a_start_that_training_spoils_is_given_back() -> None:
    branch = _branch()
    centres = np.stack([_X[label == _LABELS].mean(axis=0) for label in range(3)])
    set_head(branch, centres.T, -(centres**2).sum(axis=1) / 2)
    wrong = Feed(_FEED.fetch, (_LABELS + 1) % 3)
    trained = train(branch, _spec(rates=(Rate(".*", 1.0),)), wrong, _FEED, seed=0)
    assert trained.best == 0
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(trained.model.get_layer("head").kernel), centres.T)


def test_without_validation_the_last_epoch_is_taken() -> None:
    trained = train(_branch(), _spec(), _FEED, _NONE, seed=0)
    assert trained.best == 4
    assert all(np.isnan(row.validation_loss) for row in trained.history)


def test_every_example_is_seen_once_an_epoch_in_one_of_its_views() -> None:
    seen: list[tuple[int, int]] = []

    def fetch(chosen: Any, view: int) -> Any:
        seen.extend((int(index), view) for index in chosen)
        return _X[chosen] + view

    train(_branch(), _spec(epochs=2), Feed(fetch, _LABELS, views=3), _NONE, seed=0)
    assert [sorted(index for index, _ in seen[start : start + 60]) for start in (0, 60)] == [list(range(60))] * 2
    assert {view for _, view in seen} == {0, 1, 2}
    assert seen[:60] != seen[60:]


def test_views_of_a_batch_are_put_back_in_their_places() -> None:
    given: list[Any] = []
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(3, name="head")(inputs))
    spec = _spec(epochs=1, batch_size=60, rates=(Rate(".*", 1e-6),))
    plain = train(model, spec, _FEED, _NONE, seed=3).history[1].loss
    same = Feed(lambda chosen, view: given.append(view) or _X[chosen], _LABELS, views=4)
    assert train(model, spec, same, _NONE, seed=3).history[1].loss == pytest.approx(plain, rel=1e-6)
    assert len(given) == 4


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_the_views_that_are_drawn_are_those_that_were_foretold(noise: float) -> None:
    asked = np.zeros((60, 5), bool)

    def fetch(chosen: Any, view: int) -> Any:
        asked[chosen, view] = True
        return _X[chosen]

    train(_branch(), _spec(epochs=3, feature_noise=noise), Feed(fetch, _LABELS, views=5), _NONE, seed=11)
    foretold = drawn(11, 3, 60, 5)
    assert np.array_equal(asked[:, 1:], foretold[:, 1:])
    # Noise is measured on all examples as they are, which are there in any case.
    assert np.array_equal(asked[:, 0], foretold[:, 0] | bool(noise))
    assert 0 < foretold.mean() < 1


@pytest.mark.parametrize("disturbing", [{"feature_brightness": 0.5}, {"feature_noise": 0.5}])
def test_what_is_learnt_from_is_disturbed_and_what_is_judged_is_not(disturbing: dict[str, float]) -> None:
    still = _spec(rates=(Rate(".*", 1e-12),), epochs=3)
    branch = _branch()
    set_head(branch, np.eye(4, 3, dtype="float32"), np.zeros(3, "float32"))
    plain = train(branch, still, _FEED, _FEED, seed=0).history
    made = train(branch, replace(still, **disturbing), _FEED, _FEED, seed=0).history
    # A rate of nothing: the weights stay, but for what is far below float32's rounding.
    assert [row.validation_loss for row in made] == pytest.approx([plain[0].validation_loss] * 4, rel=1e-6)
    losses = {row.loss for row in made[1:]}
    assert len(losses) == 3
    assert all(loss is not None and abs(loss / plain[1].loss - 1) > 1e-3 for loss in losses)


def test_disturbance_leaves_the_order_and_the_views_as_they_are() -> None:
    seen: dict[float, list[tuple[int, int]]] = {0.0: [], 0.3: []}
    for brightness, fetched in seen.items():

        def fetch(chosen: Any, view: int, fetched: list[tuple[int, int]] = fetched) -> Any:
            fetched.extend((int(index), view) for index in chosen)
            return _X[chosen]

        spec = _spec(epochs=2, feature_brightness=brightness)
        train(_branch(), spec, Feed(fetch, _LABELS, views=3), _NONE, seed=0)
    assert seen[0.0] == seen[0.3]


def test_label_smoothing_raises_the_smallest_loss_there_is() -> None:
    smoothed = train(_branch(), _spec(epochs=30, label_smoothing=0.3), _FEED, _NONE, seed=0).history[-1].loss
    assert smoothed is not None
    assert smoothed > -(0.8 * np.log(0.8) + 0.2 * np.log(0.1))


def test_a_loss_that_is_no_number_is_one_line() -> None:
    bad = _X.copy()
    bad[17] = np.nan
    message = r"the loss became nan in step [1-4] of epoch 1 of phase 'fine-tune': the activations that it learns from"
    with pytest.raises(WorkError, match=message):
        train(_branch(), _spec(), Feed(lambda chosen, view: bad[chosen], _LABELS), _NONE, seed=0)


def test_the_checkpoint_is_whole_after_every_epoch(tmp_path: Path) -> None:
    checkpoint = tmp_path / "checkpoint.npz"
    for epoch in (1, 3):
        train(_branch(), _spec(), _FEED, _FEED, seed=0, checkpoint=checkpoint, stop_after=epoch)
        with np.load(checkpoint) as archive:
            assert {f"now/model/{name}" for name in names.variables(_branch())} <= set(archive.files)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.npz"]

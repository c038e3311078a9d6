"""Pretraining learns, and is the same when it is interrupted and resumed."""

import dataclasses

import keras
import numpy as np
import pytest

from regraft.core.errors import CorruptFileError, DataError, WorkError
from regraft.core.pretraining import Spec
from regraft.core.progress import collecting_warnings, described, shown_by
from regraft.graph import names
from regraft.pretraining import loop, method
from regraft.pretraining.learner import Sample
from tests.pretraining.small_data import InMemory


@pytest.fixture
def rows():
    random = np.random.default_rng(0)
    x = (random.normal(size=(300, 2)) @ random.normal(size=(2, 12))).astype(np.float32)
    return InMemory(x[:240]), InMemory(x[240:])


def _learner(rows):
    inputs = keras.Input((12,))
    hidden = keras.layers.Dense(3, name="hidden", kernel_initializer=keras.initializers.GlorotUniform(1))(inputs)
    sample = Sample(kind="numbers", x=rows.take(np.arange(100)), count=len(rows))
    chosen = method("autoencoder")
    return chosen.learner(keras.Model(inputs, hidden), sample, chosen.Settings(), 0)


def test_what_lies_in_a_plane_is_given_back_from_three_numbers(rows):
    learned = loop.pretrain(_learner(rows[0]), *rows, Spec(epochs=60, batch_size=16, rate=0.01), 0)
    assert learned.history[-1].held_out < 0.001 * learned.history[0].held_out
    assert learned.history[learned.best].held_out == min(row.held_out for row in learned.history[1:])


def test_resumed_equals_trained_through(rows, tmp_path):
    spec = Spec(epochs=5, batch_size=16)
    through = loop.pretrain(_learner(rows[0]), *rows, spec, 0)
    first = loop.pretrain(_learner(rows[0]), *rows, spec, 0, path=tmp_path / "state.npz", stop_after=2)
    assert first.stopped == "interrupted"
    assert len(first.history) == 3
    second = loop.pretrain(_learner(rows[0]), *rows, spec, 0, path=tmp_path / "state.npz")
    one, other = names.values(through.trunk), names.values(second.trunk)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    assert [row.held_out for row in through.history] == [row.held_out for row in second.history]


def test_what_is_drawn_keeps_its_axes_and_becomes_one_of_two_types():
    whole, single, mask = loop._checked((np.arange(6)[::2], np.float64(0.5), np.array([True])))
    assert (whole.dtype, whole.shape, whole.flags["C_CONTIGUOUS"]) == (np.int32, (3,), True)
    assert (single.dtype, single.shape) == (np.float32, ())
    assert mask.dtype == np.int32


def test_it_ends_when_the_figure_has_not_improved_and_keeps_the_best_epoch(rows):
    """The figure is what a list says, epoch by epoch; the network learns as the plain one does."""
    figures = iter([5.0, 3.0, 4.0, 4.0, 4.0, 4.0, 4.0])
    figure = keras.Variable(9.0)

    def probe(trunk):
        figure.assign(next(figures))
        return 0.0

    measures = {"told": lambda model, batch: keras.ops.convert_to_tensor(figure)}
    made = dataclasses.replace(_learner(rows[0]), measures=measures, monitor="told")
    spec = Spec(epochs=7, batch_size=64, patience=3)
    learned = loop.pretrain(made, rows[0], rows[1], spec, 0, probe=probe)
    assert (learned.best, learned.stopped, len(learned.history)) == (2, "patience", 6)
    shorter = loop.pretrain(_learner(rows[0]), rows[0], rows[1], dataclasses.replace(spec, patience=0), 0, stop_after=2)
    one, other = names.values(learned.trunk), names.values(shorter.trunk)
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)


def test_a_loss_that_is_no_number_names_the_epoch(rows):
    with pytest.raises(
        WorkError, match=r"the (held-out )?loss became \S+ (in step \d+ of|after) epoch \d+; try a rate below"
    ):
        loop.pretrain(_learner(rows[0]), *rows, Spec(epochs=40, batch_size=16, rate=1e30, warmup=0.0), 0)


def test_a_checkpoint_that_is_damaged_is_refused_and_one_of_other_settings_left(rows, tmp_path):
    path, spec = tmp_path / "state.npz", Spec(epochs=2, batch_size=64)
    loop.pretrain(_learner(rows[0]), *rows, spec, 0, path=path)
    with collecting_warnings() as said:
        loop.pretrain(_learner(rows[0]), *rows, spec, 1, path=path)
    assert said == [f"checkpoint '{path}' is of other settings or other data; pretraining starts anew"]
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(
        CorruptFileError, match=r"state.npz' cannot be read: .*; remove it to start the pretraining anew"
    ):
        loop.pretrain(_learner(rows[0]), *rows, spec, 1, path=path)


def test_one_example_is_no_data(rows):
    with pytest.raises(DataError, match="expected at least 2 examples to hold out, found 1"):
        loop.pretrain(_learner(rows[0]), rows[0], InMemory(rows[1].take(np.arange(1))), Spec(), 0)


def test_the_probe_is_asked_after_every_epoch(rows):
    asked = iter(range(10))
    learned = loop.pretrain(_learner(rows[0]), *rows, Spec(epochs=2, batch_size=64), 0, probe=lambda trunk: next(asked))
    assert [row.probe for row in learned.history] == [0, 1, 2]


def test_a_probe_that_predicts_leaves_the_training_what_it_was(rows):
    # On JAX predict gives the arrays of the variables away; a step that had held on to them found them deleted.
    given = rows[1].take(np.arange(8))
    spec = Spec(epochs=2, batch_size=64)
    probed = loop.pretrain(
        _learner(rows[0]), *rows, spec, 0, probe=lambda trunk: float(np.mean(trunk.predict(given, verbose=0)))
    )
    alone = loop.pretrain(_learner(rows[0]), *rows, spec, 0)
    assert [row.held_out for row in probed.history] == [row.held_out for row in alone.history]


def test_what_is_carried_goes_from_step_to_step_and_is_resumed(rows, tmp_path):
    def made():
        plain = _learner(rows[0])

        def loss(model, batch, training):
            x, count = batch
            return plain.loss(model, (x,), training), {"count": count + 1}

        return dataclasses.replace(plain, loss=loss, carried={"count": np.zeros(3, np.float32)})

    spec = Spec(epochs=3, batch_size=80)
    loop.pretrain(made(), *rows, spec, 0, path=tmp_path / "part.npz", stop_after=1)
    loop.pretrain(made(), *rows, spec, 0, path=tmp_path / "part.npz")
    with np.load(tmp_path / "part.npz") as kept:
        # Three steps an epoch; looking at held-out examples carries nothing on.
        assert kept["now/carried/count"].tolist() == [9.0, 9.0, 9.0]


class _Watching:
    """What a bar would have shown after each item."""

    def __init__(self):
        self.shown, self.lines = [], []

    def track(self, items, description, total):
        for item in items:
            yield item
            self.shown.append((described(description), total))

    def say(self, message):
        self.lines.append(message)

    warn = say


def test_whoever_watches_sees_the_epoch_and_its_figures(rows):
    watching = _Watching()
    spec = Spec(epochs=3, batch_size=64)
    with shown_by(watching):
        learned = loop.pretrain(_learner(rows[0]), *rows, spec, 0, probe=lambda _trunk: 0.5, title="hidden1")
    epochs = [shown for shown in watching.shown if shown[0].startswith("hidden1")]
    held_out = [row.held_out for row in learned.history[1:]]
    assert epochs == [
        (f"hidden1: epoch {epoch}, held out {loss:.4g}, probe 50%", 3) for epoch, loss in enumerate(held_out, 1)
    ]
    assert watching.lines == []

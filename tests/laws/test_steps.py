"""Steps of training say the same loss on every backend, and take no threads that a small network cannot use."""

from typing import Any

import keras
import numpy as np
import pytest
from scipy.special import log_softmax

from regraft.core.phase import Phase, Rate
from regraft.graph import names
from regraft.pretraining import step as pretraining_step
from regraft.pretraining.learner import Learner
from regraft.training.optimizers import updates
from regraft.training.step import cross_entropy, stepper


def _rows(scale: float) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    random = np.random.default_rng(0)
    logits = (scale * random.normal(size=(32, 10))).astype(np.float32)
    return np.eye(10, dtype=np.float32)[random.integers(0, 10, 32)], logits


# The largest are beyond what float32 can exponentiate.
@pytest.mark.parametrize("scale", [1.0, 1e3])
def test_the_loss_is_that_of_float64_to_the_rounding_of_float32(scale: float) -> None:
    targets, logits = _rows(scale)
    given = keras.ops.convert_to_tensor(targets), keras.ops.convert_to_tensor(logits)
    told = np.asarray(keras.ops.convert_to_numpy(cross_entropy(*given))).item()
    assert told == pytest.approx(-(targets * log_softmax(logits.astype(np.float64), axis=1)).sum(axis=1).mean(), 1e-5)


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="what PyTorch shares out among threads")
def test_the_loss_of_few_examples_is_not_shared_out_among_threads() -> None:
    from torch.utils._python_dispatch import TorchDispatchMode

    called: list[str] = []

    class Noting(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            called.append(str(func))
            return func(*args, **(kwargs or {}))

    targets, logits = _rows(1.0)
    learning: Any = keras.ops.convert_to_tensor(logits)
    learning.requires_grad_()
    with Noting():
        loss: Any = cross_entropy(keras.ops.convert_to_tensor(targets), learning)
        loss.backward()
    # The one kernel of a loss that asks for all threads, however few numbers there are.
    assert called
    assert not [name for name in called if "softmax" in name]


def _readers() -> tuple[keras.Model, keras.Model]:
    """One network twice: words looked up, and each word a column that is multiplied."""
    random = np.random.default_rng(1)
    table, kernel = (random.normal(size=shape).astype(np.float32) for shape in ((5, 4), (4, 3)))
    words, columns = keras.Input((6,)), keras.Input((6, 5))
    looked_up = keras.layers.Embedding(5, 4)(words)
    multiplied = keras.layers.Dense(4, use_bias=False)(columns)
    made: list[keras.Model] = []
    for given, read in ((words, looked_up), (columns, multiplied)):
        mean = keras.layers.GlobalAveragePooling1D()(read)
        model = keras.Model(given, keras.layers.Dense(3, use_bias=False)(mean))
        model.set_weights([table, kernel])
        made.append(model)
    return made[0], made[1]


def _sentences() -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    random = np.random.default_rng(2)
    words = random.integers(0, 5, (8, 6))
    eye = np.eye(5, dtype=np.float32)
    return words.astype(np.float32), eye[words], np.eye(3, dtype=np.float32)[random.integers(0, 3, 8)]


def test_a_word_that_is_there_twice_is_learnt_from_as_one() -> None:
    words, columns, targets = _sentences()
    told: list[list[np.ndarray[Any, Any]]] = []
    for model, x in zip(_readers(), (words, columns), strict=True):
        phase = Phase(name="words", epochs=1, rates=(Rate(".*", 0.01),), schedule="constant")
        variables = names.variables(model)
        machine = stepper(model, updates(phase, dict.fromkeys(variables, 0.01), variables, 3))
        for _ in range(3):
            machine.step([(x, targets)])
        machine.synchronise()
        told.append(model.get_weights())
    for looked_up, multiplied in zip(*told, strict=True):
        np.testing.assert_allclose(looked_up, multiplied, atol=1e-5)


def test_pretraining_learns_from_a_word_that_is_there_twice_as_one() -> None:
    words, columns, targets = _sentences()
    told: list[list[np.ndarray[Any, Any]]] = []
    for model, x in zip(_readers(), (words, columns), strict=True):
        learner = Learner(
            model=model,
            trunk=model,
            draw=lambda *_: (),
            loss=lambda network, batch, training: cross_entropy(batch[1], network(batch[0], training=training)),
        )
        optimizer = keras.optimizers.Adam(0.01)
        optimizer.build(model.trainable_variables)
        machine = pretraining_step.stepper(learner, optimizer)
        for _ in range(3):
            machine.step((x, targets))
        machine.synchronise()
        told.append(model.get_weights())
    for looked_up, multiplied in zip(*told, strict=True):
        np.testing.assert_allclose(looked_up, multiplied, atol=1e-5)

"""Digits 0 to 4 and then 5 to 9: a five-layer network trained on the first, and what thaws of it on the second.

The textbook's exercise on what can be had of its data: all pictures of 0 to 4 in the 10,000 of MNIST's test set make
the network; of 5 to 9, 100 pictures each to learn from and 30 each to validate on. The head stands on the fourth layer,
as in the textbook; then the top two layers below it are thawed, then all.
"""

import functools
import gzip
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from benchmarks import pictures
from benchmarks.frame import UnavailableError

Array = np.ndarray[Any, Any]

LAYERS, UNITS, READ = 5, 90, 4
_FOLDER = "data/mnist_t10k_idx"
_LEARN, _VALIDATE, _BATCH, _PATIENCE = 100, 30, 20, 20


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Digits 5 to 9 as classes 0 to 4: pictures float32 (n, 784) from 0 to 1, and labels int64 (n,)."""

    x: Array
    y: Array
    validation_x: Array
    validation_y: Array
    test_x: Array
    test_y: Array


@functools.cache
def pool() -> tuple[Array, Array]:
    """All 10,000 pictures, float32 (n, 784) from 0 to 1, and their digits, int64 (n,)."""
    folder = pictures.shared() / _FOLDER
    try:
        raw = gzip.decompress((folder / "t10k-images-idx3-ubyte.gz").read_bytes())
        labels = gzip.decompress((folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    except OSError as error:
        raise UnavailableError(f"needs the digits in '{folder}': {error}") from None
    x = np.frombuffer(raw, np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255
    return x, np.frombuffer(labels, np.uint8, offset=8).astype(np.int64)


def task(seed: int) -> Task:
    """The pictures that a seed draws of each digit from 5 on; what is left over is the test."""
    x, y = pool()
    random = np.random.default_rng(seed)
    rows: tuple[list[int], list[int], list[int]] = ([], [], [])
    for digit in range(5, 10):
        own = random.permutation(np.flatnonzero(y == digit)).tolist()
        rows[0].extend(own[:_LEARN])
        rows[1].extend(own[_LEARN : _LEARN + _VALIDATE])
        rows[2].extend(own[_LEARN + _VALIDATE :])
    learn, validate, test = rows
    return Task(x[learn], y[learn] - 5, x[validate], y[validate] - 5, x[test], y[test] - 5)


def data(given: Task) -> dict[str, Array]:
    """A task as `regraft.fit` and `regraft.depth` take it."""
    labelled = {"x_train": given.x, "y_train": given.y, "x_val": given.validation_x, "y_val": given.validation_y}
    return labelled | {"x_test": given.test_x, "y_test": given.test_y}


def network(seed: int) -> Any:
    """Five layers and a head, untrained."""
    import keras

    keras.utils.set_random_seed(seed)
    layers: list[Any] = [keras.Input((784,))]
    for number in range(1, LAYERS + 1):
        layers += [
            keras.layers.Dense(UNITS, kernel_initializer="he_normal", name=f"hidden{number}"),
            keras.layers.LeakyReLU(0.2, name=f"active{number}"),
        ]
    return keras.Sequential([*layers, keras.layers.Dense(5, name="digits")])


def lower(seed: int) -> tuple[Array, Array]:
    """All pictures of 0 to 4 and their labels, in an order that a seed draws."""
    x, y = pool()
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(y < 5))
    return x[rows], y[rows]


def trained(seed: int, epochs: int = 20) -> Any:
    """The network, trained on digits 0 to 4 at a rate that falls."""
    import keras

    x, y = pool()
    chosen = y < 5
    model = network(seed)
    steps = epochs * -(-int(chosen.sum()) // 128)
    falling: Any = keras.optimizers.schedules.CosineDecay(1e-3, steps)
    model.compile(keras.optimizers.Adam(falling), _loss())
    model.fit(x[chosen], y[chosen], batch_size=128, epochs=epochs, verbose=0)
    return model


def well_trained(seed: int, epochs: int = 60) -> Any:
    """The network, trained on digits 0 to 4 that are turned, scaled and shifted a little, anew in every epoch.

    Without that the five layers know their 5,139 pictures by heart and carry nothing over: all of them thawed are worth
    as much as new ones.
    """
    import keras

    x, y = lower(seed)
    random = np.random.default_rng(seed)
    model = network(seed)
    falling: Any = keras.optimizers.schedules.CosineDecay(1e-3, epochs * -(-len(x) // 128))
    model.compile(keras.optimizers.Adam(falling), _loss())
    for _ in range(epochs):
        model.fit(moved(x, random), y, batch_size=128, epochs=1, verbose=0)
    return model


def moved(x: Array, random: np.random.Generator) -> Array:
    """Each picture turned by up to 10 degrees, scaled by up to a tenth and shifted by up to 1.5 pixels: (n, 784)."""
    import keras

    count, centre = len(x), (28 - 1) / 2
    angle, scale = random.uniform(-10, 10, count) * np.pi / 180, 1 + random.uniform(-0.1, 0.1, count)
    cosine, sine = scale * np.cos(angle), scale * np.sin(angle)
    right, down = centre + random.uniform(-1.5, 1.5, (2, count))
    # Where each pixel of the result is taken from, as Keras wants it: the centre stays but for the shift.
    columns = [cosine, -sine, right - centre * (cosine - sine)]
    rows = [sine, cosine, down - centre * (sine + cosine)]
    places = np.stack([*columns, *rows, np.zeros(count), np.zeros(count)], axis=1).astype(np.float32)
    found = keras.ops.image.affine_transform(x.reshape(-1, 28, 28, 1), places, data_format="channels_last")
    return np.asarray(keras.ops.convert_to_numpy(found)).reshape(count, -1)


def textbook(model: Any, given: Task, seed: int, epochs: int = 100) -> tuple[list[tuple[float, float]], float]:
    """The textbook's way on a copy: a new Adam at 0.01 for the head, then for the top two as well, then for all.

    Each time until the validation loss has not fallen for twenty epochs; then the best weights are back. Written by
    hand, without anything of ours.

    Returns:
        The validation loss before and after the first epoch of each of the two thaws, and the accuracy on the test.
    """
    import keras

    keras.utils.set_random_seed(seed)
    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    branch = keras.Model(copy.inputs[0], keras.layers.Dense(5, name="head")(copy.get_layer(f"active{READ}").output))
    random = np.random.default_rng(seed)
    stages: list[list[float]] = []
    for learning in (0, 2, READ):
        for number in range(1, READ + 1):
            branch.get_layer(f"hidden{number}").trainable = number > READ - learning
        stages.append(_stage(branch, given, random, epochs))
    answers = np.asarray(branch(given.test_x)).argmax(axis=1)
    return [(losses[0], losses[1]) for losses in stages[1:]], float(np.mean(answers == given.test_y))


def _stage(branch: Any, given: Task, random: np.random.Generator, epochs: int) -> list[float]:
    """Validation losses from before the first epoch on; the branch ends with the best weights."""
    import keras
    import tensorflow as tf

    optimizer, loss, learning = keras.optimizers.Adam(0.01), _loss(), branch.trainable_variables
    optimizer.build(learning)

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            value = loss(y, branch(x, training=True))
        optimizer.apply(tape.gradient(value, [variable.value for variable in learning]), learning)

    batch = tf.TensorSpec((_BATCH, 784), tf.float32), tf.TensorSpec((_BATCH,), tf.int64)
    compiled: Any = tf.function(step, batch).get_concrete_function()

    def judged() -> float:
        return float(loss(given.validation_y, branch(given.validation_x)))

    losses, best, since = [judged()], branch.get_weights(), 0
    for _ in range(epochs):
        for rows in random.permutation(len(given.x)).reshape(-1, _BATCH):
            compiled(tf.constant(given.x[rows]), tf.constant(given.y[rows]))
        losses.append(judged())
        since += 1
        if losses[-1] <= min(losses):
            best, since = branch.get_weights(), 0
        if since == _PATIENCE:
            break
    branch.set_weights(best)
    return losses


def with_head(model: Any, given: Task, seed: int) -> Any:
    """The layers up to the fourth and a head that is solved on what they make of the pictures."""
    import keras

    from regraft.surgery.graft import graft, set_head
    from regraft.training.heads import fit_head

    rest: Any = keras.Model(model.inputs[0], model.get_layer(f"active{READ}").output)
    branch = graft(rest, 5)
    head = fit_head(np.asarray(rest.predict(given.x, batch_size=500, verbose=0)), given.y, 5, seed=seed)
    set_head(branch, head.kernel, head.bias)
    return branch


def train(branch: Any, phases: Sequence[Any], given: Task, seed: int) -> tuple[Any, float]:
    """Our way: what phases of training gave, and the accuracy on the test."""
    from regraft.training.feeds import Feed
    from regraft.training.phases import train_phases
    from regraft.training.predicting import predict

    def feed(x: Array, y: Array) -> Any:
        return Feed(lambda rows, view: x[rows], y)

    known = feed(given.x, given.y), feed(given.validation_x, given.validation_y)
    done = train_phases(branch, phases, *known, seed=seed)
    answers = predict(done.model, feed(given.test_x, given.test_y)).argmax(axis=1)
    return done, float(np.mean(answers == given.test_y))


def thawing(branch: Any, phase: Any, counts: Sequence[int]) -> list[Any]:
    """A phase again and again, each time with so many of its layers below the head learning, from the top.

    Args:
        branch: what learns.
        phase: without rates; its own are written out.
        counts: of layers, for each phase.
    """
    from regraft.training.rates import with_rates

    rules = with_rates(phase, branch).rates
    return [replace(phase, name=f"thaw {count}", rates=upper(rules, count)) for count in counts]


def upper(rules: Sequence[Any], count: int) -> tuple[Any, ...]:
    """The rates of the head and of so many layers below it, from rules that begin at the top; all others are frozen."""
    from regraft.core.phase import Rate

    learning = [rule for rule in rules if rule.rate > 0]
    kept = learning[: 1 + count]
    return (*kept, Rate(".*", 0.0)) if len(kept) < len(rules) else tuple(kept)


def _loss() -> Any:
    import keras

    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

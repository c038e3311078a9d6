"""Digits turned by any angle: three layers pretrained to undo noise, to give back what they are shown, and not at all.

Published with 12,000 labels and as many pictures (Vincent et al. 2010): 9.5 % error after denoising with a quarter of
the inputs taken away, 10.3 % after plain autoencoders. Here with what the 10,000 pictures of MNIST's test set allow,
every picture turned once. All pictures that are learnt from have labels, as there; what is pretrained layer by layer is
fine-tuned whole in plain Keras. How long each layer is pretrained, rate and epochs are chosen, for each way by itself,
on pictures that are neither learnt from nor judged by.
"""

import dataclasses
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import digits, fit, frame
from benchmarks.frame import Bar, Result, Settings, Table

Array = np.ndarray[Any, Any]

NAME = "rotated"
DENOISING, PLAIN, SCRATCH = "denoising", "plain", "from scratch"
WAYS = (DENOISING, PLAIN, SCRATCH)
NOISE = 0.25
NETWORK = "mlp?units=500,500,500&activation=sigmoid"
RATES = (1e-3, 3e-3, 1e-2)
_LEARN, _VALIDATE, _JUDGE = 6000, 1000, 3000
# Epochs of pretraining a layer.
LENGTHS = (30, 150)
_FINE, _PATIENCE = 60, 12


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a way came to with one seed.

    Attributes:
        way: how the layers were pretrained.
        seed: of the angles, the pictures and the training.
        error: share of wrong answers on pictures that decided nothing.
        rate: that validation chose.
        seconds: processor time of pretraining, and of fine-tuning at every rate.
        errors: by epochs of pretraining, at the rate that validation chose for them; the first is by those chosen.
    """

    way: str
    seed: int
    error: float
    rate: float
    seconds: tuple[float, float]
    errors: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Tuned:
    """A network with a head, all of it trained, at the rate that is best on validation.

    Attributes:
        validation: its accuracy there.
        error: share of wrong answers on pictures that decided nothing.
        rate: that rate.
        epochs: of the pretraining before.
    """

    validation: float
    error: float
    rate: float
    epochs: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """Turned pictures, float32 (n, 784) from 0 to 1, and their digits."""

    learn: tuple[Array, Array]
    validate: tuple[Array, Array]
    judge: tuple[Array, Array]


def run(settings: Settings) -> Iterator[Result]:
    """All ways with a seed, and again for the next; the result so far after each seed."""
    fit.ready()
    measured = frame.earlier(NAME, settings, Outcome)
    if measured:
        yield compare(measured, settings)
    done = {item.seed for item in measured}
    for seed in range(settings.splits):
        if seed in done:
            continue
        measured += ways(seed, settings)
        yield compare(measured, settings)


def task(seed: int, part: float = 1.0) -> Task:
    """The pictures of a seed, all of them turned."""
    x, y = digits.pool()
    random = np.random.default_rng(seed)
    order = random.permutation(len(x))
    x, y = turned(x[order], random), y[order]
    learn, validate, judge = (round(part * count) for count in (_LEARN, _VALIDATE, _JUDGE))
    first, second = slice(learn, learn + validate), slice(learn + validate, learn + validate + judge)
    return Task((x[:learn], y[:learn]), (x[first], y[first]), (x[second], y[second]))


def turned(x: Array, random: np.random.Generator) -> Array:
    """Each picture (784,) turned about its centre by an angle that is drawn from the whole circle."""
    from scipy import ndimage

    angles = random.uniform(0, 360, len(x))
    pictures = x.reshape(-1, 28, 28)
    made = [ndimage.rotate(one, angle, reshape=False, order=1) for one, angle in zip(pictures, angles, strict=True)]
    return np.clip(np.stack(made), 0, 1).reshape(len(x), -1).astype(np.float32)


def ways(seed: int, settings: Settings) -> list[Outcome]:
    """The three ways on the pictures of a seed, from the same weights."""
    given = task(seed, 0.05 if settings.reduced else 1.0)
    lengths, fine = (LENGTHS, _FINE) if settings.epochs is None else ((settings.epochs[0],), settings.epochs[1])
    found: list[Outcome] = []
    for way in WAYS:
        took = [0.0, 0.0]
        tuned: list[Tuned] = []
        for epochs in lengths if way != SCRATCH else (0,):
            started = time.process_time()
            trunk = pretrained(way, given.learn[0], epochs, seed)
            between = time.process_time()
            tuned.append(dataclasses.replace(fine_tuned(trunk, given, fine, seed), epochs=epochs))
            took = [took[0] + between - started, took[1] + time.process_time() - between]
        best = max(tuned, key=lambda each: each.validation)
        errors = tuple((each.epochs, each.error) for each in (best, *(one for one in tuned if one is not best)))
        found.append(Outcome(way, seed, best.error, best.rate, (took[0], took[1]), errors))
        print(
            f"seed {seed} {way}: {frame.percent(best.error)} % wrong, rate {best.rate:g}, {best.epochs} epochs of "
            f"{', '.join(f'{each.epochs}: {frame.percent(each.error)} %' for each in tuned)}, "
            f"{frame.seconds(took[0])} and {frame.seconds(took[1])} s",
            file=sys.stderr,
            flush=True,
        )
    return found


def pretrained(way: str, x: Array, epochs: int, seed: int) -> Any:
    """The network after pretraining in one way."""
    import regraft
    from regraft.pretraining import trunks

    if way == SCRATCH:
        return trunks.build(NETWORK, x.shape[1:], "numbers", seed)
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as name:
        noise = {"noise": NOISE if way == DENOISING else 0.0, "noise_kind": "masking", "together": False}
        made = regraft.pretrain(
            "stacked-autoencoder",
            x,
            out=Path(name) / "source",
            cache=Path(name) / "cache",
            architecture=NETWORK,
            epochs=epochs,
            settings=noise,
            probe=0,
            compare="no",
            seed=seed,
        )
    return made.model


def fine_tuned(trunk: Any, given: Task, epochs: int, seed: int) -> Tuned:
    """A network with a head, trained for so many epochs at most, at the best of `RATES`."""
    import keras

    tried: list[Tuned] = []
    for rate in RATES:
        keras.utils.set_random_seed(seed)
        body: Any = keras.models.clone_model(trunk)
        body.set_weights(trunk.get_weights())
        model: Any = keras.Sequential([body, keras.layers.Dense(10)])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        stop = keras.callbacks.EarlyStopping("val_accuracy", patience=_PATIENCE, restore_best_weights=True)
        known = {"validation_data": given.validate, "callbacks": [stop], "epochs": epochs, "verbose": 0}
        history = model.fit(*given.learn, batch_size=100, **known).history
        wrong = np.asarray(model.predict(given.judge[0], batch_size=500, verbose=0)).argmax(axis=1) != given.judge[1]
        tried.append(Tuned(max(history["val_accuracy"]), float(wrong.mean()), rate))
    return max(tried, key=lambda each: each.validation)


def compare(measured: Sequence[Outcome], settings: Settings) -> Result:
    """Errors by way, and whether the order is the published one."""
    seeds = sorted({item.seed for item in measured})
    errors = {way: [item.error for item in measured if item.way == way] for way in WAYS}
    rows = tuple(
        (
            way,
            frame.percent(statistics.mean(errors[way])),
            f"{frame.percent(min(errors[way]))} to {frame.percent(max(errors[way]))}",
            frame.seconds(statistics.mean(sum(item.seconds) for item in measured if item.way == way)),
        )
        for way in WAYS
    )
    gains = [one - other for one, other in zip(errors[PLAIN], errors[DENOISING], strict=True)]
    told = frame.points(statistics.mean(gains))
    if len(gains) > 1:
        told += f" points (standard error {100 * statistics.stdev(gains) / len(gains) ** 0.5:.1f})"
    table = Table("Error on digits turned by any angle, %", ("layers pretrained", "mean", "range", "processor s"), rows)
    lengths = sorted({epochs for item in measured for epochs, _ in item.errors if epochs})
    by_length = tuple(
        (way, *(frame.percent(statistics.mean(_at(measured, way, epochs))) for epochs in lengths))
        for way in (DENOISING, PLAIN)
    )
    lasting = Table("The same by epochs of pretraining a layer", ("layers pretrained", *map(str, lengths)), by_length)
    bar = Bar(
        f"denoising is wrong less often than plain autoencoding, mean of {len(seeds)} seed(s)",
        f"plain less denoising {told}",
        statistics.mean(gains) > 0,
    )
    return Result(
        NAME, str(__doc__), (table, lasting), tuple(map(dataclasses.asdict, measured)), (bar,), settings=settings
    )


def _at(measured: Sequence[Outcome], way: str, epochs: int) -> list[float]:
    """Errors of a way after so many epochs of pretraining."""
    return [error for item in measured if item.way == way for length, error in item.errors if length == epochs]

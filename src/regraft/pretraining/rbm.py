"""A restricted Boltzmann machine: one layer of units learns which states of its input are probable."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from regraft.core.checks import require
from regraft.core.errors import RequestError
from regraft.core.pretraining import Kind, Spec
from regraft.pretraining.boltzmann import chains, layers, learning, measures
from regraft.pretraining.boltzmann.chains import Noise
from regraft.pretraining.boltzmann.layers import Placed
from regraft.pretraining.learner import Array, Batch, Learner, Measure, Rows, Sample

NAME = "rbm"
KINDS: tuple[Kind, ...] = ("pictures", "numbers", "table")
LABELS = False
GROUPS = False
GREEDY = False
ARCHITECTURES: Mapping[Kind, str] = dict.fromkeys(KINDS, "mlp?units=512&activation=sigmoid")
SPEC = Spec(epochs=30, batch_size=100, optimizer="sgd", rate=0.1, momentum=0.9, warmup=0.05, weight_decay=5e-4)

# Hinton's guide: Gaussian units need a rate one or two orders of magnitude below that of binary ones.
_GAUSSIAN_RATE = 0.02
# Units of each held-out example whose pseudo-likelihood is looked at.
_LOOKED_AT = 8
# Examples learnt from whose free energy held-out ones are compared with.
_COMPARED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What can be set.

    Attributes:
        visible: units for what is given: `binary` for values from 0 to 1, `gaussian` for any; `auto`: by the values.
        steps: of Gibbs sampling before a chain is compared with the data.
        chains: that go on from batch to batch (persistent contrastive divergence); 0: they begin at the examples.
        reconstruct: visible units in chains by `samples` or by their `means`; `auto`: Gaussian ones by means.
        sparsity: how often a hidden unit should be on, such as 0.1; 0: no matter.
        sparsity_cost: how strongly it is pulled there.
    """

    visible: Literal["auto", "binary", "gaussian"] = "auto"
    steps: int = 1
    chains: int = 0
    reconstruct: Literal["auto", "samples", "means"] = "auto"
    sparsity: float = 0.0
    sparsity_cost: float = 0.1

    def __post_init__(self) -> None:
        """Refuse figures that no machine can have.

        Raises:
            RequestError: one of them, named, with what is allowed.
        """
        require(
            self,
            ("steps", "as 1 or more", self.steps >= 1),
            ("chains", "as 0 (chains begin at the examples) or above", self.chains >= 0),
            ("sparsity", "from 0 (no matter) to below 1", 0 <= self.sparsity < 1),
            ("sparsity_cost", "as 0 or above", 0 <= self.sparsity_cost < float("inf")),
        )
        if self.chains and self.reconstruct == "means":
            raise RequestError("persistent chains draw samples, found reconstruct=means; set chains=0 or leave it out")

    def unused(self, kind: Kind) -> Mapping[str, str]:
        """What makes no difference, each with what it is for."""
        return {} if self.sparsity else {"sparsity_cost": "sparsity above 0"}


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """The trunk's only layer as hidden units, and the biases of the visible ones beside it."""
    random = np.random.default_rng([seed, sample.stage])
    asked = None if settings.visible == "auto" else settings.visible
    placed = layers.place(trunk, sample.x, asked, sparsity=settings.sparsity, random=random)
    if settings.sparsity and placed.kinds[1] != "binary":
        raise RequestError(f"sparsity={settings.sparsity:g} needs sigmoid units, found rectified ones; leave it out")
    return Learner(
        model=placed.model,
        trunk=trunk,
        draw=_draw(placed, settings),
        loss=_loss(placed, settings),
        measures=_measures(placed, sample.x[:_COMPARED]),
        carried=_carried(placed, settings),
    )


def _draw(placed: Placed, settings: Settings) -> Any:
    by_samples = placed.kinds[0] == "binary" if settings.reconstruct == "auto" else settings.reconstruct == "samples"
    sampled = by_samples or settings.chains > 0

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        count = settings.chains or len(indices)
        given = chains.noise(placed.kinds, placed.units, count, settings.steps, random, sampled=sampled)
        looked_at = random.integers(0, placed.units[0], (len(indices), _LOOKED_AT), np.int32)
        return rows.take(indices), given.hidden, given.visible, looked_at

    return draw


def _loss(placed: Placed, settings: Settings) -> Any:
    rate = _GAUSSIAN_RATE if placed.kinds[0] == "gaussian" else 1.0

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        x, hidden, visible, looked_at, *carried = batch
        machine, data, given = placed.machine(model), placed.visible(x), Noise(hidden, visible)
        known = dict(zip(_names(settings), carried, strict=True))
        if not training:
            total: Any = _judged(placed, machine, data, looked_at)
            return (total, known) if known else total
        if settings.chains:
            total, known["chains"] = learning.persistent_divergence(machine, data, known["chains"], given)
        else:
            total = learning.divergence(machine, data, given)
        if settings.sparsity:
            pull, known["activity"] = learning.sparsity(machine, data, known["activity"], settings.sparsity)
            total = total + settings.sparsity_cost * pull
        total = rate * total
        return (total, known) if known else total

    return loss


def _judged(placed: Placed, machine: Any, data: Any, looked_at: Any) -> Any:
    """Lower is better: what is missing from the pseudo-likelihood for each unit; of Gaussian ones the squared error."""
    if placed.kinds[0] == "gaussian":
        return measures.reconstruction_error(machine, data)
    return -measures.pseudo_likelihood(machine, data, looked_at) / placed.units[0]


def _measures(placed: Placed, learnt: Array) -> dict[str, Measure]:
    def reconstruction_error(model: keras.Model, batch: tuple[Any, ...]) -> Any:
        return measures.reconstruction_error(placed.machine(model), placed.visible(batch[0]))

    def pseudo_likelihood(model: keras.Model, batch: tuple[Any, ...]) -> Any:
        return measures.pseudo_likelihood(placed.machine(model), placed.visible(batch[0]), batch[3])

    def free_energy(model: keras.Model, batch: tuple[Any, ...]) -> Any:
        return measures.free_energy(placed.machine(model), placed.visible(batch[0]))

    def free_energy_gap(model: keras.Model, batch: tuple[Any, ...]) -> Any:
        return measures.free_energy_gap(placed.machine(model), placed.visible(batch[0]), placed.visible(learnt))

    found: dict[str, Measure] = {
        "reconstruction_error": reconstruction_error,
        "free_energy": free_energy,
        "free_energy_gap": free_energy_gap,
    }
    return found | ({"pseudo_likelihood": pseudo_likelihood} if placed.kinds[0] == "binary" else {})


def _names(settings: Settings) -> tuple[str, ...]:
    """What is carried from step to step, in order."""
    return ("chains",) * bool(settings.chains) + ("activity",) * bool(settings.sparsity)


def _carried(placed: Placed, settings: Settings) -> dict[str, Array]:
    width = placed.units[1]
    # The hidden units are off at first, as in scikit-learn.
    every = {
        "chains": np.zeros((settings.chains, width), np.float32),
        "activity": np.full(width, settings.sparsity, np.float32),
    }
    return {name: every[name] for name in _names(settings)}

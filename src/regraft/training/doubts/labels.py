"""Labels that are probably wrong, by what all other examples say of each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from regraft.training import probes
from regraft.training.heads.softmax import Doubles, Floats, Integers

# A label is doubted where it is more likely wrong than right.
DOUBTED = 0.5
# Temperatures of the scores (their logarithms), and shares of wrong labels, that are looked at. One in a hundred is
# wrong until the labels say otherwise: in the test sets of ten well-known collections it is 3.4 % (Northcutt et al.
# 2021), and one or two are too few to show in a likelihood. Were more than three in ten wrong, nothing would tell them.
_TEMPERATURES = (-6.0, 3.0)
_NOISE = (0.01, 0.3)
_TOO_MANY = 0.99
_LEAST = 1e-300


@dataclass(frozen=True, slots=True, eq=False)
class LabelDoubts:
    """What the other examples say of every label.

    Attributes:
        wrong: (n,) the probability that the label is wrong.
        suggested: int64 (n,), the most probable of the other classes.
        noise: the share of labels that are taken for wrong.
        temperature: what scores are divided by to be logits.
    """

    wrong: NDArray[np.float64]
    suggested: NDArray[np.int64]
    noise: float
    temperature: float

    def doubted(self) -> NDArray[np.int64]:
        """Indices of the labels that are more likely wrong than right, the likeliest first."""
        found = np.flatnonzero(self.wrong > DOUBTED)
        return found[np.argsort(-self.wrong[found], kind="stable")]


def label_doubts(activations: Floats, labels: Integers, n_classes: int) -> LabelDoubts:
    """The probability that each label is wrong.

    Ridge regression says for every example what the others make of it (leave-one-out in closed form). That its answer
    is another than the label proves nothing where answers are often wrong, so a mixture is fitted: labels are drawn
    from the softmax of the scores at some temperature, and a share of them is replaced by another class at random.
    Temperature and share have the highest likelihood; an example's wrong-label probability follows by Bayes' rule. Hard
    classes raise the temperature and wrong labels the share, which the confident learning of Northcutt et al. (2021)
    tells apart by thresholds for each class.

    Args:
        activations: (n, d), pooled.
        labels: (n,), class indices.
        n_classes: how many classes there are, two at least.

    Raises:
        DataError: shapes do not fit, a label is no class, fewer than two examples, or a value is not finite.
    """
    scores = probes.left_out_scores(activations, labels, n_classes).astype(np.float64)
    own = scores[np.arange(len(labels)), labels]
    temperature, noise = _fitted(scores, own)
    clean = _clean(scores, own, temperature)
    replaced = noise * (1 - clean) / (n_classes - 1)
    scores[np.arange(len(labels)), labels] = -np.inf
    suggested = scores.argmax(axis=1).astype(np.int64)
    return LabelDoubts(replaced / (replaced + (1 - noise) * clean), suggested, noise, temperature)


def _clean(scores: Doubles, own: Doubles, temperature: float) -> Doubles:
    """The probability (n,) of each label if none were replaced."""
    normaliser: Any = special.logsumexp(scores / temperature, axis=1)
    return np.exp(own / temperature - normaliser)


def _fitted(scores: Doubles, own: Doubles) -> tuple[float, float]:
    """Temperature and share of replaced labels with the highest likelihood; a share of 0 where nothing can be told."""
    others = scores.shape[1] - 1

    def loss(power: float, noise: float) -> float:
        clean = _clean(scores, own, float(np.exp(power)))
        return -float(np.log(np.maximum((1 - noise) * clean + noise * (1 - clean) / others, _LEAST)).sum())

    def share(power: float) -> float:
        return _least(lambda noise: loss(power, noise), _NOISE)

    usual = _least(lambda power: loss(power, _NOISE[0]), _TEMPERATURES)
    power = _least(lambda power: loss(power, share(power)), _TEMPERATURES)
    noise = share(power)
    if noise > _TOO_MANY * _NOISE[1]:
        return float(np.exp(usual)), 0.0
    # A second number always fits a little better: Akaike's criterion says when it says something.
    if loss(usual, _NOISE[0]) - loss(power, noise) < 1:
        return float(np.exp(usual)), _NOISE[0]
    return float(np.exp(power)), noise


def _least(loss: Callable[[float], float], bounds: tuple[float, float]) -> float:
    """Where a function of one number is least."""
    found: Any = optimize.minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(found.x)

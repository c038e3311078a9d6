"""A deep belief network: restricted Boltzmann machines, one on top of the other, each on the layer below's outputs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import keras

from regraft.core.pretraining import Kind
from regraft.pretraining import rbm
from regraft.pretraining.learner import Learner, Sample

NAME = "dbn"
KINDS: tuple[Kind, ...] = rbm.KINDS
LABELS = False
GROUPS = False
GREEDY = True
ARCHITECTURES: Mapping[Kind, str] = dict.fromkeys(KINDS, "mlp?units=512,512,512&activation=sigmoid")
SPEC = rbm.SPEC
Settings = rbm.Settings


def learner(trunk: keras.Model, sample: Sample, settings: Settings, seed: int) -> Learner:
    """A machine for one layer; above the lowest, how likely each unit below is on counts as data."""
    # What is said of the visible units is said of the examples.
    own = settings if sample.stage == 0 else replace(settings, visible="auto")
    return rbm.learner(trunk, sample, own, seed)


def whole(
    trunk: keras.Model, stages: Sequence[Learner], sample: Sample, settings: Settings, seed: int
) -> Learner | None:
    """Nothing: the layers stay as their machines left them, until labels fine-tune them."""
    return None

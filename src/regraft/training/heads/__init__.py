"""The head: multinomial logistic regression on activations, in memory or streamed; or new layers, trained by steps."""

from regraft.training.heads.fit import MINIBATCH_ABOVE, fit_head
from regraft.training.heads.layered import LayeredHead, LearntLayers, fit_layers, phase_of
from regraft.training.heads.linear import LinearHead
from regraft.training.heads.selection import Trial
from regraft.training.heads.streaming import Batches, fit_streamed

__all__ = [
    "MINIBATCH_ABOVE",
    "Batches",
    "LayeredHead",
    "LearntLayers",
    "LinearHead",
    "Trial",
    "fit_head",
    "fit_layers",
    "fit_streamed",
    "phase_of",
]

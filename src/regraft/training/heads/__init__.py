"""The head: multinomial logistic regression on activations, in memory or streamed, its penalty cross-validated."""

from regraft.training.heads.fit import MINIBATCH_ABOVE, fit_head
from regraft.training.heads.linear import LinearHead
from regraft.training.heads.selection import Trial
from regraft.training.heads.streaming import Batches, fit_streamed

__all__ = ["MINIBATCH_ABOVE", "Batches", "LinearHead", "Trial", "fit_head", "fit_streamed"]

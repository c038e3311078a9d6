"""Scores of how well a source would transfer, from its activations and the labels alone.

Each module has `NAME`, `WHAT` (a line that says what it is) and `score(activations, labels, n_classes, seed=0)`, a
number. Higher is better; values of one score compare sources on the same examples, and nothing else.
"""

from types import ModuleType

from regraft.zoo.scores import h_score, logme, nleep, sfda

SCORES: dict[str, ModuleType] = {module.NAME: module for module in (logme, h_score, nleep, sfda)}

"""What pretraining is asked for and what it tells: frozen records, the same in Python and in `pretraining.json`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from regraft.core.errors import RequestError

Kind = Literal["pictures", "numbers", "text", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """How a network is pretrained, whatever it learns by; every method has defaults of its own.

    Attributes:
        epochs: passes over the examples, for each stage where layers are trained one at a time.
        batch_size: examples per step; what fills no whole batch is left for another epoch.
        optimizer: `adam` or `sgd`.
        rate: the peak of the learning rate.
        momentum: of `sgd`.
        schedule: `cosine`: the rate falls to zero over all epochs; `constant`: it stays.
        warmup: the part of all steps during which the rate rises from zero.
        weight_decay: decoupled decay of kernels.
        clip_norm: gradients of all variables together are scaled down to this Euclidean norm; None: never.
        patience: end after so many epochs in which the held-out figure did not improve; None: never early.
        held_out: the part of the examples that is kept back to judge by.
    """

    epochs: int = 30
    batch_size: int = 128
    optimizer: Literal["adam", "sgd"] = "adam"
    rate: float = 1e-3
    momentum: float = 0.0
    schedule: Literal["constant", "cosine"] = "cosine"
    warmup: float = 0.05
    weight_decay: float = 0.0
    clip_norm: float | None = None
    patience: int | None = 10
    held_out: float = 0.1

    def __post_init__(self) -> None:
        """Refuse figures that no pretraining can have.

        Raises:
            RequestError: one of them, named, with what is allowed.
        """
        for name, allowed, holds in (
            ("epochs", "as 1 or more", self.epochs >= 1),
            ("batch_size", "as 1 or more", self.batch_size >= 1),
            ("rate", "above 0", 0 < self.rate < math.inf),
            ("momentum", "from 0 (off) to below 1", 0 <= self.momentum < 1),
            ("warmup", "from 0 (none) to below 1", 0 <= self.warmup < 1),
            ("weight_decay", "as 0 (off) or above", 0 <= self.weight_decay < math.inf),
            ("clip_norm", "above 0", self.clip_norm is None or 0 < self.clip_norm < math.inf),
            ("patience", "as 1 or more", self.patience is None or self.patience >= 1),
            ("held_out", "above 0 and below 1", 0 < self.held_out < 1),
        ):
            if not holds:
                raise RequestError(f"expected '{name}' {allowed}, found {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class PretrainingEpoch:
    """One pass over the examples.

    Attributes:
        epoch: its number; 0 is the state before the first.
        loss: mean over the pass while training; None for epoch 0.
        held_out: the loss on the examples kept back.
        measures: the method's own figures on the examples kept back.
        rate: of the last step.
        seconds: that the pass took, what is told about it included.
        probe: accuracy of a linear head on a few labels, where there are any.
    """

    epoch: int
    loss: float | None
    held_out: float
    measures: Mapping[str, float] = field(default_factory=dict[str, float])
    rate: float = 0.0
    seconds: float = 0.0
    probe: float | None = None

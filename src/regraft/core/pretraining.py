"""What pretraining is asked for and what it tells: frozen records, the same in Python and in `pretraining.json`."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from regraft.core.checks import refuse_both, require
from regraft.core.columns import Columns
from regraft.core.input_spec import InputSpec
from regraft.core.metric import Metric
from regraft.core.text_spec import Unit

Kind = Literal["pictures", "numbers", "text", "table"]

# The stage in which the whole network learns at once.
ALL_LAYERS = "all layers"


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
        patience: end after so many epochs in which the held-out figure did not improve; 0: never early.
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
    patience: int = 10
    held_out: float = 0.1

    def __post_init__(self) -> None:
        """Refuse figures that no pretraining can have.

        Raises:
            RequestError: one of them, named, with what is allowed.
        """
        require(
            self,
            ("epochs", "as 1 or more", self.epochs >= 1),
            ("batch_size", "as 1 or more", self.batch_size >= 1),
            ("rate", "above 0", 0 < self.rate < math.inf),
            ("momentum", "from 0 (off) to below 1", 0 <= self.momentum < 1),
            ("warmup", "from 0 (none) to below 1", 0 <= self.warmup < 1),
            ("weight_decay", "as 0 (off) or above", 0 <= self.weight_decay < math.inf),
            ("clip_norm", "above 0", self.clip_norm is None or 0 < self.clip_norm < math.inf),
            ("patience", "as 0 (never early) or more", self.patience >= 0),
            ("held_out", "above 0 and below 1", 0 < self.held_out < 1),
        )

    @property
    def unused(self) -> Mapping[str, str]:
        """What makes no difference beside the others, each with what it is for."""
        found = {} if self.optimizer == "sgd" else {"momentum": "optimizer=sgd"}
        return found if self.schedule == "cosine" else found | {"warmup": "schedule=cosine"}


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


Scaling = Literal["auto", "unit", "standard", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The one document of a pretraining: what `resume`, the record and doing it again need.

    Attributes:
        method: a name of `pretraining.METHODS`.
        data: what the examples were opened from.
        data_digest: of them; None before they are opened.
        architecture: what the network is built from; empty: the method's own for this kind of data.
        spec: how it is trained.
        settings: of the method, all of them once they are known.
        scaling: of plain numbers. `unit`: from 0 to 1 by the lowest and highest value of all; `standard`: mean 0 and
            deviation 1 of each; `none`: as they are; `auto`: bytes as 0 to 1, what lies from 0 to 1 as it is, else
            `standard`.
        input_size: height and width in pixels; None: those of the pictures, or 64 where they differ.
        labels: labelled examples for the probe and for the question whether it helped, where `data` has none.
        pairs: a table of pairs of examples, the first of each above the second, for a method that learns from that;
            empty: there are none, or they were given in memory.
        pairs_digest: of them; None before they are read, and where there are none.
        probe: how many labels the probe and that question have; 0: neither is asked.
        compare: whether it helped is measured; `auto`: where that does not take long.
        strict: an unreadable example is an error; so is whatever is left out or cut with a warning.
        lenient: a column of a table with one value in all examples, or with none, and a text file in another encoding
            than is said are left out, and a text that is too long is cut, each with a warning; else these are errors.
        seed: of every random choice.
        columns: of a table of texts or rows: which hold what, as far as that was said; None: told by their names. Of a
            table of pictures: the column of groups alone.
        tokens: what texts are taken apart into.
        vocabulary: how many different ids texts have at most; None: as many as are usual for such tokens.
        length: how many tokens of a text the network sees; None: all of nearly all texts, as far as that goes.
    """

    method: str
    data: str = ""
    data_digest: str | None = None
    architecture: str = ""
    spec: Spec | None = None
    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scaling: Scaling = "auto"
    input_size: int | None = None
    labels: str = ""
    probe: int = 500
    compare: Literal["auto", "yes", "no"] = "auto"
    strict: bool = False
    lenient: bool = False
    seed: int = 0
    tokens: Unit = "words"
    vocabulary: int | None = None
    length: int | None = None
    columns: Columns | None = None
    pairs: str = ""
    pairs_digest: str | None = None

    def __post_init__(self) -> None:
        """Refuse figures that nothing can be done with, and contradictions.

        Raises:
            RequestError: one of them, named.
        """
        require(
            self,
            ("probe", "as 0 or more", self.probe >= 0),
            ("input_size", "as 1 or more", self.input_size is None or self.input_size >= 1),
            ("length", "as 1 or more tokens", self.length is None or self.length >= 1),
        )
        refuse_both(self.strict, self.lenient)


@dataclass(frozen=True, slots=True)
class Stage:
    """What was trained in one go: the whole network, or one of its layers.

    Attributes:
        name: of the layers that learnt.
        history: one row per epoch.
        best: the epoch that is kept.
        stopped: why it ended early: `patience`, `interrupted`, or None.
    """

    name: str
    history: tuple[PretrainingEpoch, ...]
    best: int
    stopped: str | None = None

    @property
    def kept(self) -> PretrainingEpoch:
        """The epoch whose weights are kept."""
        return self.history[self.best]

    @property
    def worsened(self) -> bool:
        """Whether the held-out loss was above what it was before the first epoch, after every one of them."""
        before, *others = (row.held_out for row in self.history)
        return bool(others) and min(others) > before


@dataclass(frozen=True, slots=True)
class Helped:
    """Whether starting from the pretrained weights helped at this number of labels.

    Attributes:
        labels: that both learnt from.
        judged: how many other examples both were judged by.
        reused: accuracy of the pretrained network: its head alone, or all of it fine-tuned, as cross-validation chose.
        way: `head` or `fine-tuned`.
        scratch: accuracy of the same network from random weights, its rate and epochs chosen in the same way.
        gain: the difference, paired on the same examples.
        sentence: said plainly.
    """

    labels: int
    judged: int
    reused: Metric
    way: str
    scratch: Metric
    gain: Metric
    sentence: str


@dataclass(frozen=True, slots=True)
class PretrainingRecord:
    """Everything that a pretraining is known by.

    Attributes:
        folder: where everything of it is.
        model: the file of the network.
        report: the page.
        asked: what was asked for, with what was open in it filled in.
        inputs: what the network takes.
        kind: of data.
        examples: learnt from.
        held_out: judged by while training, and not learnt from.
        unused: left for the test of others: labelled examples of the test split, and those of the same content.
        classes: of the labels, where there are any.
        shape: of the representation of one example.
        parameters: of the network.
        stages: what was trained, one after the other.
        helped: None where it was not measured.
        seconds: by what they went to.
        warnings: what was warned of.
        environment: versions and machine.
        interrupted: whether somebody ended it before its time.
        labels: how many labels were learnt from while pretraining; 0: it learnt without.
        groups: of how many groups examples were learnt from; 0: it learnt without.
        pairs: of how many pairs in an order was learnt; 0: it learnt without.
        pairs_held_out: how many others were judged by while training.
        unknown: left out, because what the method learns from, a label, a group or a pair, is not known of them.
        unreadable: left out, because they cannot be read.
        unmeasured: why it was not measured whether it helped; empty where it was.
    """

    folder: str
    model: str
    report: str
    asked: Asked
    inputs: InputSpec
    kind: Kind
    examples: int
    held_out: int
    unused: int
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    parameters: int
    stages: tuple[Stage, ...]
    helped: Helped | None
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    environment: Mapping[str, str]
    interrupted: bool = False
    labels: int = 0
    groups: int = 0
    pairs: int = 0
    pairs_held_out: int = 0
    unknown: int = 0
    unreadable: int = 0
    unmeasured: str = ""

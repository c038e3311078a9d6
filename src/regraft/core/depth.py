"""What the search for the number of layers to reuse asks and finds: ways of reusing a source, trials, the answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from regraft.core.plan import Plan
from regraft.core.records import Baseline, DataSummary, Metric, Probe


@dataclass(frozen=True, slots=True)
class Way:
    """One way of reusing a source: a point of the search space.

    Attributes:
        cut_point: the head stands here; the source's layers above are dropped.
        trained_from: the reused layers above this cut point learn; equal to `cut_point` where none does, `input` where
            all do.
        hidden: widths of new layers between the reused ones and the head.
        reused: layers of the source with weights that are below the head.
        tuned: how many of them learn.
        tap: a lower cut point that the head reads as well, not below `trained_from` where layers learn; None: it reads
            `cut_point` alone.
    """

    cut_point: str
    trained_from: str
    hidden: tuple[int, ...] = ()
    reused: int = 0
    tuned: int = 0
    tap: str | None = None

    @property
    def frozen(self) -> int:
        """How many of the reused layers stay as they are."""
        return self.reused - self.tuned

    @property
    def trained(self) -> int:
        """How many layers learn, new ones included, the head not: what the rule of one standard error wants few of."""
        return self.tuned + len(self.hidden)

    @property
    def reads(self) -> tuple[str, ...]:
        """The cut points that the head reads, from the lowest upwards."""
        return (self.cut_point,) if self.tap is None else (self.tap, self.cut_point)

    @property
    def name(self) -> str:
        """What tables and files call it; no other way is called so.

        >>> Way("conv_5", "conv_3", (64,)).name
        'conv_5 < conv_3 + 64'
        >>> Way("conv_5", "conv_2", tap="conv_4").name
        'conv_5 & conv_4 < conv_2'
        """
        tapped = f" & {self.tap}" if self.tap is not None else ""
        tuned = f" < {self.trained_from}" if self.trained_from != self.cut_point else ""
        return f"{self.cut_point}{tapped}{tuned}" + "".join(f" + {width}" for width in self.hidden)


@dataclass(frozen=True, slots=True)
class Trial:
    """What a way came to when it was given so many steps.

    Attributes:
        way: what was tried.
        steps: of training, the head alone aside; 0 where only the head is fitted.
        rate: the learning rate, the best of those tried; None where only the head is fitted.
        average: where the weights were taken between those that training began and ended with, the best of some.
        folds: on how many of the folds it was judged.
        examples: how many answers that are.
        accuracy: of these answers, uncorrected for any choice; where they are not of all folds, as if they were: what
            they are better or worse than the best way's on the same examples is added to its figure.
        log_loss: likewise; of probabilities that one exponent has made as sure as they should be, see
            `recipes/depth/tempering.py`.
        seconds: that it took, all folds and rates.
        finished: whether it was given all the steps there were to give; False: left because others did better, or
            because time was up.
        divisions: of the examples into folds that it was judged on; the figures are those of each example's mean over
            them.
    """

    way: Way
    steps: int
    rate: float | None
    average: float | None
    folds: int
    examples: int
    accuracy: Metric
    log_loss: Metric
    seconds: float
    finished: bool
    divisions: int = 1


@dataclass(frozen=True, slots=True)
class Stretch:
    """A block of the source, as its author would name it, and the cut point at its end.

    Attributes:
        block: its name.
        cut_point: the last one in it.
        depth: of the cut point.
        layers: with weights, in it.
    """

    block: str
    cut_point: str
    depth: int
    layers: int


@dataclass(frozen=True, slots=True)
class Forecast:
    """What more labels would bring, extrapolated from less of them.

    Attributes:
        sizes: numbers of examples that were learnt from; empty where there was no time for it.
        accuracies: with each, of examples left out.
        at: number of examples -> expected accuracy; the first is what there is today.
        text: in words.
    """

    sizes: tuple[int, ...]
    accuracies: tuple[Metric, ...]
    at: Mapping[int, Metric]
    text: str


@dataclass(frozen=True, slots=True)
class Recommended:
    """The answer.

    Attributes:
        way: how to reuse the source.
        cut_point: of the way, for those who read JSON.
        frozen: likewise.
        tuned: likewise.
        accuracy: of new examples, corrected for having been chosen.
        interval: of that, 95 %.
        rate: peak learning rate; None where only the head is fitted.
        steps: of training.
        average: see `Trial.average`.
        indistinguishable: names of the ways that cannot be told from it on these data.
        sentence: all of this in words.
    """

    way: Way
    cut_point: str
    frozen: int
    tuned: int
    accuracy: float
    interval: tuple[float, float]
    rate: float | None
    steps: int
    average: float | None
    indistinguishable: tuple[str, ...]
    sentence: str


@dataclass(frozen=True, slots=True)
class DepthRecord:
    """Everything that a depth search is known by; written as `depth.json`, printed by `--json`, drawn by its page.

    Attributes:
        folder: where all of it is.
        source: that was reused.
        stretches: the source's blocks, from the input upwards.
        table: the last trial of every way, the recommended one first, then as good as they were.
        trials: all of them, in the order of trying.
        probes: quick linear classifiers at every cut point that a head could stand on.
        recommended: the answer.
        baselines: what simpler ways reach on the same examples.
        verdict: one plain sentence on whether reuse helps.
        forecast: what more labels would bring; None where that was not asked for, or the user ended the
            search before.
        reused_trials: how many of the trials were known from before.
        seconds: wall time by stage: open, activations, search, baselines, fit, report, total.
        budget: seconds that were allowed; None: no bound.
        data: the examples.
        plan: the recommended plan, ready for `fit --plan`.
        run: the folder of the run that followed it; empty where none did.
        warnings: everything that was warned of.
        interrupted: whether the user ended the search, or the run that followed it, before its time.
        fitted: accuracy of the run that followed, on the examples that the baselines are judged by; None: none did.
    """

    folder: str
    source: str
    stretches: tuple[Stretch, ...]
    table: tuple[Trial, ...]
    trials: tuple[Trial, ...]
    probes: tuple[Probe, ...]
    recommended: Recommended
    baselines: Mapping[str, Baseline]
    verdict: str
    forecast: Forecast | None
    reused_trials: int
    seconds: Mapping[str, float]
    budget: float | None
    data: DataSummary
    plan: Plan
    run: str = ""
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    interrupted: bool = False
    fitted: Metric | None = None

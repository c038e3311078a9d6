"""Several runs side by side, as `regraft report RUN RUN` says it and its page shows it."""

from dataclasses import dataclass

from regraft.core.records import Metric


@dataclass(frozen=True, slots=True)
class ComparedRun:
    """What one of the runs came to.

    Attributes:
        name: what it is called beside the others: the end of its folder's path.
        folder: of the run.
        source: the network that it reuses.
        data: what it learnt from.
        split: that it is judged by.
        examples: how many these are.
        accuracy: on them.
        log_loss: likewise.
        calibration_error: likewise.
        cut_point: where its head stands.
        frozen_layers: reused layers that stayed as they were.
        tuned_layers: reused layers of which something learnt.
        seconds: wall time of the whole run; nan where it was not recorded.
    """

    name: str
    folder: str
    source: str
    data: str
    split: str
    examples: int
    accuracy: Metric
    log_loss: Metric
    calibration_error: Metric
    cut_point: str
    frozen_layers: int
    tuned_layers: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An example that only one of two runs got right.

    Attributes:
        id: the digest of its content.
        name: as the run that got it right calls it.
        label: what it is.
        right: the run that says so.
        wrong: the other.
        answer: of the other.
        confidence: of that answer.
    """

    id: str
    name: str
    label: str
    right: str
    wrong: str
    answer: str
    confidence: float


@dataclass(frozen=True, slots=True)
class PairedGain:
    """How much more accurate one run is than another on the same examples.

    Attributes:
        run: the one.
        against: the other.
        examples: that both are judged by.
        gain: accuracy of the one minus that of the other on these; None where there are none.
        both_right: how many of them.
        only_run: how many only the one got right.
        only_against: how many only the other.
        both_wrong: how many neither.
        disagreements: those that one got right, the surest mistakes first.
        why: what keeps them from being compared; empty where nothing does.
    """

    run: str
    against: str
    examples: int = 0
    gain: Metric | None = None
    both_right: int = 0
    only_run: int = 0
    only_against: int = 0
    both_wrong: int = 0
    disagreements: tuple[Disagreement, ...] = ()
    why: str = ""


@dataclass(frozen=True, slots=True)
class PlanDifference:
    """A part of the plan that is not the same in all runs; `values` in the order of the runs, "" where one has none."""

    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SideBySide:
    """One run, or several beside each other.

    Attributes:
        report: the page that was written.
        runs: in the order in which they were named; the first is what the others are compared with.
        gains: of each but the first.
        differences: between the plans.
        notes: what keeps figures from being of the same thing.
    """

    report: str
    runs: tuple[ComparedRun, ...]
    gains: tuple[PairedGain, ...] = ()
    differences: tuple[PlanDifference, ...] = ()
    notes: tuple[str, ...] = ()

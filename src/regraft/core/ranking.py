"""What a ranking of sources finds: which to reuse for these examples, how sure that is, and what could not be used."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from regraft.core.input_spec import InputSpec
from regraft.core.records import Baseline, DataSummary, Metric


@dataclass(frozen=True, slots=True)
class Ranked:
    """A source, and how well it would do.

    Attributes:
        source: as `regraft.fit` takes it.
        score: a part of one, the more the better: the accuracy of a quick linear classifier on the source's activations
            where that was alone, shifted by what the other scores say of it; see `recipes/ranking/combining.py`.
        interval: of that, 95 %.
        scores: what it was made of, by name: `probe` and `neighbours` are shares of right answers, each example left
            out in turn; the names of `zoo.scores` have scales of their own; `quality` is what was published of it.
        cut_point: where the probe was best: all but `quality` are of the activations there.
        examples: on how many examples the scores are.
        inputs: how examples were prepared for it; scores of another preparation are others.
        input_size: height in pixels where it takes pictures.
        width: numbers in a pooled activation there.
        parameters: of the network, up to that cut point.
        flops: multiplications and additions for one example up to there; None where sizes are open.
        seconds: that it took to open it, to run it, and to score it.
        dropped_at: the number of examples at which others were so much better that it was left; None: it was among the
            last.
        told_apart: whether, on the same examples, its probe is worse than that of the first at 95 %.
        confirmed: its accuracy once it was really fitted, on examples that it had not learnt from; None: it was not.
        run: the folder of that run; empty where there is none.
        trained_on_these: whether it has learnt from these very examples, so that its scores say nothing.
        note: what a reader should know of the figures, in a sentence; empty where there is nothing.
        warnings: everything that was warned of while it was looked at.
    """

    source: str
    score: float
    interval: tuple[float, float]
    scores: Mapping[str, float]
    cut_point: str
    examples: int
    inputs: InputSpec
    input_size: int | None
    width: int
    parameters: int
    flops: int | None
    seconds: float
    dropped_at: int | None = None
    told_apart: bool = False
    confirmed: Metric | None = None
    run: str = ""
    trained_on_these: bool = False
    note: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """A source that was not ranked, and why."""

    source: str
    reason: str


@dataclass(frozen=True, slots=True)
class Known:
    """A model that tells classes of the very names apart that the examples have: it may be the answer already.

    Attributes:
        source: where it is.
        classes: how many it tells apart, these among them.
        accuracy: that it had on examples of its own; None where that is not known.
        measured_on: which these were, such as `test`; empty where that is not known.
        here: how many of the examples that were looked at its own answers are right about; None where it was not asked.
        same_data: whether these examples, divided like this, are those that it was made from.
    """

    source: str
    classes: int
    accuracy: Metric | None = None
    measured_on: str = ""
    here: Metric | None = None
    same_data: bool = False


@dataclass(frozen=True, slots=True)
class RankRecord:
    """A ranking, printed by `--json`.

    Attributes:
        ranking: the best first; those that were dropped follow those that were not, the last dropped first.
        refused: what could not be looked at, or was not in time.
        known: models for classes of these very names, those first that are right about most of these examples.
        baselines: what simpler ways reach on the same examples: by name, judged as the probes are.
        verdict: what all of it comes to, in a few sentences.
        rule: how the scores were combined: weights by their names.
        rounds: how many examples each round looked at.
        seconds: wall time by stage: open, rounds, baselines, confirm, total.
        budget: seconds that were allowed; None: no bound.
        data: the examples.
        interrupted: whether the user ended it before its time.
        warnings: what was warned of and belongs to no source.
        environment: versions and machine.
    """

    ranking: tuple[Ranked, ...]
    refused: tuple[Refused, ...]
    known: tuple[Known, ...]
    baselines: Mapping[str, Baseline]
    verdict: str
    rule: Mapping[str, float]
    rounds: tuple[int, ...]
    seconds: Mapping[str, float]
    budget: float | None
    data: DataSummary
    interrupted: bool = False
    warnings: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict[str, str])

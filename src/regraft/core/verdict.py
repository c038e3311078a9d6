"""Whether reuse helped: an outcome, and a sentence that claims no more than paired intervals allow."""

import math
from collections.abc import Mapping
from typing import Literal

from regraft.core.records import Baseline, Metric, RunRecord

Outcome = Literal["helped", "hurt", "unclear", "unmeasured"]

# What could be done without the source, by the name of the baseline: all of it has to be beaten. The same network from
# scratch comes first: without it, whether reuse helped is not known.
WITHOUT: dict[str, str] = {
    "scratch": "the same network from scratch, well tuned",
    "random_trunk": "the same network with random weights in place of the source's",
    "raw_inputs": "logistic regression on the raw inputs",
}
LEARNT_NOTHING = "the same network from scratch, which learnt nothing in the steps that it was given"
HARM = {
    "scratch": "Train from scratch, or choose another source.",
    "random_trunk": "What the source had learnt is in the way: choose another one.",
    "raw_inputs": "Less is left of the inputs than they tell by themselves: choose another source, or cut lower.",
}
NO_DIFFERENCE = {
    "scratch": "More examples would tell.",
    "random_trunk": "Nothing shows that what the source had learnt is of use here.",
    "raw_inputs": "Nothing shows that more is gained than the inputs tell by themselves.",
}


def outcome(accuracy: Metric, gains: Mapping[str, Metric], baselines: Mapping[str, Baseline]) -> Outcome:
    """Whether reuse helped.

    It hurt where something of `WITHOUT` is better, and it helped where all that was measured is worse, the same network
    from scratch among it: each at 95 %, paired on the same examples. No more than the most frequent class is no help.

    Args:
        accuracy: of the run.
        gains: its accuracy minus that of baselines, by their names; those that are no numbers do not count.
        baselines: by name.

    >>> outcome(Metric(0.9, (0.8, 1.0)), {"scratch": Metric(0.1, (0.02, 0.18))}, {})
    'helped'
    """
    known = known_of(gains)
    if any(gain.interval[1] < 0 for gain in known.values()):
        return "hurt"
    if any(gain.interval[0] <= 0 for gain in known.values()) or _no_more_than_majority(accuracy, baselines):
        return "unclear"
    return "helped" if "scratch" in known else "unmeasured"


def decisive(accuracy: Metric, gains: Mapping[str, Metric], baselines: Mapping[str, Baseline]) -> str | None:
    """The name in `WITHOUT` of the comparison that the outcome is due to; None where it is due to none."""
    known, made = known_of(gains), outcome(accuracy, gains, baselines)
    if made == "helped":
        return "scratch"
    if made == "hurt":
        known = {name: gain for name, gain in known.items() if gain.interval[1] < 0}
    elif made == "unclear":
        known = {name: gain for name, gain in known.items() if gain.interval[0] <= 0}
    return min(known, key=lambda name: known[name].value, default=None)


def sentence(accuracy: Metric, examples: str, gains: Mapping[str, Metric], baselines: Mapping[str, Baseline]) -> str:
    """The outcome in words, with the comparison that decides it.

    Args:
        accuracy: of the run.
        examples: what it is measured on, such as `test examples`.
        gains: see `outcome`.
        baselines: by name.
    """
    known, made, name = known_of(gains), outcome(accuracy, gains, baselines), decisive(accuracy, gains, baselines)
    right = f"{accuracy.value:.1%} of the {examples} are right"
    said = f"{right}, {_against(accuracy, name, known[name], baselines)}" if name else right
    if made == "hurt" and name:
        return f"Reuse did harm: {said}. {HARM[name]}"
    if _no_more_than_majority(accuracy, baselines):
        return f"Reuse did not help: {right}, no more than by always answering the most frequent class."
    if made == "unclear" and name:
        return f"Reuse did not help measurably: {said}. {NO_DIFFERENCE[name]}"
    if made == "helped":
        others = {other: gain for other, gain in known.items() if other != name}
        return f"Reuse helped: {said}.{_also_beaten(accuracy, others)}"
    return f"{said[0].upper()}{said[1:]}; how the same network would do from scratch was not measured."


def gains_of(record: RunRecord) -> dict[str, Metric]:
    """How much more accurate a run is than what does without the source, by the baseline's name.

    Records of before that was kept for each have the gain over the same network from scratch alone.
    """
    return known_of(record.gains or ({"scratch": record.transfer_gain} if record.transfer_gain else {}))


def known_of(gains: Mapping[str, Metric]) -> dict[str, Metric]:
    """The gains over what is in `WITHOUT`, in its order, as far as they are numbers."""
    return {
        name: gains[name]
        for name in WITHOUT
        if name in gains and all(map(math.isfinite, (gains[name].value, *gains[name].interval)))
    }


def _no_more_than_majority(accuracy: Metric, baselines: Mapping[str, Baseline]) -> bool:
    majority = baselines.get("majority")
    return majority is not None and accuracy.value <= majority.accuracy.value


def _without(name: str, baselines: Mapping[str, Baseline]) -> str:
    """What is compared with, in words; a network that learnt nothing in its few steps is not called well tuned."""
    majority, own = baselines.get("majority"), baselines.get(name)
    if name == "scratch" and majority and own and own.accuracy.value <= majority.accuracy.value:
        return LEARNT_NOTHING
    return WITHOUT[name]


def _against(accuracy: Metric, name: str, gain: Metric, baselines: Mapping[str, Baseline]) -> str:
    low, high = (100 * bound for bound in gain.interval)
    return (
        f"against {accuracy.value - gain.value:.1%} for {_without(name, baselines)}: {100 * gain.value:+.1f} points "
        f"(95 % interval {low:+.1f} to {high:+.1f})"
    )


def _also_beaten(accuracy: Metric, gains: Mapping[str, Metric]) -> str:
    """A sentence of its own, or nothing."""
    said = ", ".join(f"{accuracy.value - gain.value:.1%} for {WITHOUT[name]}" for name, gain in gains.items())
    return f" Also behind: {said}." if said else ""

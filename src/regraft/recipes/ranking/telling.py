"""What a ranking comes to, in sentences that claim no more than paired intervals allow."""

from collections.abc import Mapping, Sequence

from regraft.core.ranking import Known, Ranked
from regraft.core.records import Metric
from regraft.core.verdict import WITHOUT

_MAJORITY = "the most frequent class"


def verdict(ranked: Sequence[Ranked], known: Sequence[Known], gains: Mapping[str, Metric], unseen: int = 0) -> str:
    """What the scores say.

    Args:
        ranked: the best first.
        known: models for these very classes.
        gains: of the first one's probe over simpler ways, by their names.
        unseen: how many sources there was no time for.
    """
    missed = f"There was no time to look at {unseen} more." if unseen else ""
    return _joined([_known(known), _first(ranked), missed, _poor(ranked[0], gains) if ranked else ""])


def fitted(ranked: Sequence[Ranked], known: Sequence[Known], said: Sequence[str]) -> str:
    """What fitting says, in place of the scores.

    Args:
        ranked: the best first.
        known: models for these very classes.
        said: of the fits, in sentences.
    """
    return _joined([_known(known), f"Reuse '{ranked[0].source}'.", *said])


def _joined(sentences: Sequence[str]) -> str:
    return " ".join(sentence for sentence in sentences if sentence)


def _known(known: Sequence[Known]) -> str:
    if not known:
        return ""
    first = known[0]
    said = f"There is a model for classes of these names already: '{first.source}'"
    if first.accuracy is not None:
        said += f", right about {first.accuracy.value:.1%} of its own {first.measured_on} examples"
    if first.same_data:
        return f"{said}. It was made from these very examples."
    return f"{said}{f', and about {first.here.value:.1%} of these as it is' if first.here is not None else ''}."


def _first(ranked: Sequence[Ranked]) -> str:
    if not ranked:
        return ""
    first = ranked[0]
    if first.trained_on_these:
        return "All sources that can be used have learnt from these very examples: nothing can be said of others."
    alike = [item.source for item in ranked[1:] if not item.told_apart and item.dropped_at is None]
    said = f"Reuse '{first.source}', cut at '{first.cut_point}': {_right(first)}"
    if alike:
        others = ", ".join(f"'{name}'" for name in alike[:3]) + (
            f" and {len(alike) - 3} more" if len(alike) > 3 else ""
        )
        return f"{said}. It cannot be told apart from {others}."
    return f"{said}, more than any other." if len(ranked) > 1 else f"{said}."


def _right(first: Ranked) -> str:
    return f"its best quick probe is right about {first.scores['probe']:.1%} of {first.examples:,} examples"


def _poor(first: Ranked, gains: Mapping[str, Metric]) -> str:
    """Whether the best is any good; nothing where it is better than all that does without it."""
    if first.trained_on_these:
        return ""
    majority = gains.get("majority")
    if majority is not None and majority.interval[0] <= 0:
        return f"All sources are poor: the best is no better than {_MAJORITY}."
    for name, words in WITHOUT.items():
        gain = gains.get(name)
        if gain is None or gain.interval[0] > 0:
            continue
        points = f"{100 * gain.value:+.1f} points (95 % interval {100 * gain.interval[0]:+.1f} to "
        points += f"{100 * gain.interval[1]:+.1f})"
        if gain.interval[1] < 0:
            return f"All sources are poor: the best is worse than {words}, {points}."
        return f"Nothing shows that reuse helps: the best is no better than {words}, {points}."
    return ""

"""What the examples are worth without a source, or with none of what it has learnt, judged as the probes are."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regraft.core import metrics
from regraft.core.records import Baseline, Metric
from regraft.recipes.baselines import majority, random_trunk, raw_inputs
from regraft.recipes.baselines.anew import anew
from regraft.recipes.baselines.prepared import Prepared
from regraft.recipes.ranking.looking import Look, Looker
from regraft.surgery.cut import trunk_of
from regraft.training.feeds import PREDICTION_BATCH
from regraft.training.probes import probe
from regraft.training.recalibrating import recalibrate

Array = np.ndarray[Any, Any]

# Examples that the statistics of random layers are measured on, as those of the baseline of a run are.
_MEASURED = 4 * PREDICTION_BATCH
# Operations that random weights may take beside each of many sources: about a second of two cores.
_AFFORDABLE = 2e10


@dataclass(frozen=True, slots=True, eq=False)
class Simpler:
    """Simpler ways on the examples of a look.

    Attributes:
        baselines: by name.
        gains: how much more accurate the probe is where the head would stand, by the same names, paired on the same
            examples; the best probe of all cut points was chosen by these, and would flatter.
    """

    baselines: Mapping[str, Baseline]
    gains: Mapping[str, Metric]


def simpler(looker: Looker, look: Look) -> Simpler:
    """The most frequent class, and a probe on the raw inputs, on the examples of a look."""
    labels, classes = looker.examples.labels[look.indices], len(looker.examples.classes)
    right = {
        majority.NAME: labels == np.bincount(labels).argmax(),
        raw_inputs.NAME: probe(_raw(looker, look), labels, classes, seed=looker.seed).correct,
    }
    titles = {majority.NAME: majority.TITLE, raw_inputs.NAME: raw_inputs.TITLE}
    return Simpler(
        {name: Baseline(titles[name], metrics.accuracy(found)) for name, found in right.items()},
        {name: metrics.paired_gain(look.at_cut, found) for name, found in right.items()},
    )


def affordable(look: Look, size: int) -> bool:
    """Whether random weights cost next to nothing: of a large network they would cost as much as all else."""
    flops = look.point.flops_below
    return flops is not None and float(flops) * size <= _AFFORDABLE


def with_random_weights(looker: Looker, look: Look, size: int) -> tuple[Baseline, Metric]:
    """A probe on the same network with random weights, and how much better that of the source is, on some examples.

    What is no better than random layers owes nothing to what the source had learnt (see `baselines.random_trunk`).

    Args:
        looker: looks at sources.
        look: at the source.
        size: of how many examples about; both probes learn from these alone.
    """
    seen = looker.look(look.candidate, min(size, len(look.indices)))
    opened = looker.sources.open(look.candidate)
    fresh = anew(trunk_of(opened.pretrained.model, seen.point.name), looker.seed)
    prepared = Prepared(opened.pretrained.inputs, looker.examples)
    recalibrate(fresh, prepared.blocks(seen.indices[:_MEASURED]))
    random = looker.probed(replace(opened.pretrained, model=fresh), seen.indices)
    note = f"the layers of '{look.candidate.name}' with random weights, on {len(seen.indices):,} examples"
    baseline = Baseline(random_trunk.TITLE, random.accuracy, note)
    return baseline, metrics.paired_gain(seen.at_cut, random.correct)


def _raw(looker: Looker, look: Look) -> Array:
    examples = looker.examples
    if raw_inputs.of_text(examples):
        tokens = raw_inputs.frequent_tokens(examples, look.inputs, look.indices)
        return raw_inputs.word_counts(examples, look.inputs, tokens, look.indices)
    return raw_inputs.values(examples, look.inputs, look.indices)

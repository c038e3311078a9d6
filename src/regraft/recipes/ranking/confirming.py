"""The first of a ranking, fitted for real: which of them wins, and whether reuse helped."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from regraft.core.errors import RegraftError
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.progress import Stopped, say, stopping, warn
from regraft.core.ranking import Ranked
from regraft.core.records import Metric
from regraft.formats import evidence
from regraft.recipes import run_folder, running, side_by_side
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.running import Run
from regraft.recipes.side_by_side import Finished

# Less than this is no time to fit anything in, in seconds.
_LEAST = 15.0
# The highest learning rates that are tried: the usual one first, which is taken where no other is better.
RATES = (3e-4, 1e-4, 1e-3)


@dataclass(frozen=True, slots=True, eq=False)
class Confirmed:
    """What fitting came to.

    Attributes:
        ranked: the ranking, with what was measured; those that were fitted first, the better before the worse.
        said: about it, in sentences.
        interrupted: whether the user ended it.
    """

    ranked: tuple[Ranked, ...]
    said: tuple[str, ...]
    interrupted: bool


def confirm(
    data: Any,
    ranked: Sequence[Ranked],
    sources: Mapping[str, Any],
    count: int,
    plan: Plan,
    kept: Mapping[str, Any],
    out: Path | None,
    deadline: Deadline,
    heard: Callable[[], bool],
) -> Confirmed:
    """Fit the first of a ranking, each with its own learning rate: one rate for all would rank luck.

    They are compared on validation examples, which chose within each, and not on test examples, which choose nothing.

    Args:
        data: as `fit` takes it.
        ranked: the best first.
        sources: what `fit` is given, by the name of the source.
        count: how many.
        plan: what all of them have in common.
        kept: `labels`, `cache` and `cache_limit`, as `fit` takes them.
        out: a folder for the runs; None: new ones below `regraft-runs`.
        deadline: when to be done.
        heard: whether the user wants an end.
    """
    runs: dict[str, Run] = {}
    interrupted = False
    chosen = [item for item in ranked if not item.trained_on_these][:count]
    for number, item in enumerate(chosen):
        share = deadline.left / (len(chosen) - number)
        if share < _LEAST:
            warn(f"not fitted, because time is up: '{item.source}'")
            continue
        folder = None if out is None else out / run_folder.default_folder(str(number + 1), item.source).name
        try:
            with stopping(heard):
                if deadline.seconds is None:
                    run = fitted(data, sources[item.source], plan, kept, folder)
                else:
                    quick = replace(plan, baselines="no")
                    run = running.fit(data, sources[item.source], plan=quick, out=folder, time_budget=share, **kept)
        except Stopped:
            interrupted = True
        except RegraftError as error:
            warn(f"'{item.source}' could not be fitted: {error}")
            continue
        else:
            runs[item.source] = run
            interrupted = run.record.interrupted
        if interrupted:
            say("the other sources are not fitted")
            break
    made = [_with_run(item, runs[item.source]) if item.source in runs else item for item in ranked]
    return Confirmed(tuple(made), tuple(told(runs)), interrupted)


def fitted(data: Any, source: Any, plan: Plan, kept: Mapping[str, Any], out: Path | None) -> Run:
    """The run at that of `RATES` which leaves the least log loss on validation examples.

    The frozen layers are not run again for it.
    """
    losses: dict[float, float] = {}
    with tempfile.TemporaryDirectory(prefix="regraft-rank-") as folder:
        for rate in RATES:
            tried = replace(plan, baselines="no", fine_tune=FineTuneSpec(rate=rate))
            record = running.fit(data, source, plan=tried, out=Path(folder) / str(rate), **kept).record
            measures = record.metrics.get("validation")
            if measures is None:
                break
            losses[rate] = measures.log_loss.value
    rate = min(losses, key=lambda each: losses[each], default=RATES[0])
    say(f"fitting at the highest learning rate {rate:g}, the best of {len(losses) or 1} tried")
    return running.fit(data, source, plan=replace(plan, fine_tune=FineTuneSpec(rate=rate)), out=out, **kept)


def _with_run(item: Ranked, run: Run) -> Ranked:
    return replace(item, confirmed=measured(run)[1], run=str(run.folder))


def measured(run: Run) -> tuple[str, Metric]:
    """The split by which runs are compared, and the accuracy there: validation where there is one."""
    split = "validation" if "validation" in run.record.metrics else run.record.evaluated_on
    return split, run.record.metrics[split].accuracy


def told(runs: Mapping[str, Run]) -> list[str]:
    """Who wins, and whether reuse helped, in sentences."""
    if not runs:
        return []
    order = sorted(runs, key=lambda name: -measured(runs[name])[1].value)
    first = runs[order[0]]
    split, accuracy = measured(first)
    said = f"Fitted, '{order[0]}' has {accuracy.value:.1%} of the {split} examples right"
    if len(order) > 1:
        said += f", '{order[1]}' {measured(runs[order[1]])[1].value:.1%}{_apart(first, runs[order[1]])}"
    return [f"{said}.", first.record.verdict]


def _apart(first: Run, second: Run) -> str:
    """How sure it is that the one is better than the other, from their answers on the same examples."""
    pair = [
        Finished(run.folder, run.record, evidence.read(run.folder / run_folder.EVIDENCE)) for run in (first, second)
    ]
    (gain,) = side_by_side.gains(pair, side_by_side.summarised(pair))
    if gain.gain is None:
        return ""
    # The second's gain over the first.
    low, high = (-100 * end for end in reversed(gain.gain.interval))
    said = f"{-100 * gain.gain.value:+.1f} points on {gain.examples} {first.record.evaluated_on} examples"
    sure = "" if low > 0 else ", which tells them not apart"
    return f" ({said}, 95 % interval {low:+.1f} to {high:+.1f}{sure})"

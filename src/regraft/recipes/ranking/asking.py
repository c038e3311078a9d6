"""`regraft.rank`: which source to reuse."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from regraft import data as data_room
from regraft.activations.store import Store
from regraft.core import columns as columns_
from regraft.core import durations, interruption, metrics
from regraft.core.catalogue_place import catalogue_at
from regraft.core.class_names import folded
from regraft.core.columns import Said
from regraft.core.errors import RequestError, SourceError
from regraft.core.input_spec import Decoding
from regraft.core.plan import Plan
from regraft.core.progress import Stopped, collecting_warnings, say, stopping, warn
from regraft.core.ranking import Known, Ranked, RankRecord
from regraft.core.records import Baseline, Metric
from regraft.core.text_spec import Unit
from regraft.data import Examples
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.keeping import require_engine
from regraft.recipes.ranking import candidates as sources_
from regraft.recipes.ranking import combining, confirming, rounds, telling
from regraft.recipes.ranking.candidate import Candidate
from regraft.recipes.ranking.candidates import Candidates
from regraft.recipes.ranking.confirming import Confirmed
from regraft.recipes.ranking.looking import Look, Looker
from regraft.recipes.ranking.opening import Sources
from regraft.recipes.ranking.simpler import affordable, simpler, with_random_weights
from regraft.recipes.recording import environment
from regraft.recipes.running import Engine
from regraft.report import rank_page

_STOPPING = "ending the ranking with what is known; Ctrl-C again stops everything at once"
# Of a time budget, what is kept for fitting the first ones.
_FOR_CONFIRMING = 0.6


def rank(
    data: Any,
    sources: Iterable[Any] | Any | None = None,
    *,
    zoo: str | os.PathLike[str] | None = None,
    labels: Any = None,
    time_budget: str | float | None = None,
    confirm: int = 0,
    out: str | os.PathLike[str] | None = None,
    page: str | os.PathLike[str] | None = None,
    input_size: int | None = None,
    decoding: Decoding | None = None,
    strict: bool = False,
    lenient: bool = False,
    trust: bool = False,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    cache_limit: int | None = None,
    engine: Engine = "auto",
    columns: Said = None,
    tokens: Unit | None = None,
    vocabulary: str | os.PathLike[str] | None = None,
) -> RankRecord:
    """Find out which source to reuse for labelled examples, without training on each.

    Every source runs once over a sample of the training examples; scores of the activations say how well it would do.
    Those that do worse are left behind early. What was computed is kept, and `regraft.fit` finds it.

    Args:
        data: see `regraft.fit`; only training examples are looked at.
        sources: one or several of what `regraft.open` takes, folders of runs, and folders with any of these in them;
            None: all that is in the catalogue, and the networks of keras.applications whose weights are here.
        zoo: the catalogue; by default `REGRAFT_ZOO` or the platform's data folder.
        labels: for data that does not hold them.
        time_budget: seconds, or a text such as `10m`, for all of it; None: no bound but that of the rounds.
        confirm: how many of the first are really fitted, to say which wins.
        out: a folder for the runs that this makes; None: new ones below `regraft-runs`.
        page: a file for a page with all of it.
        input_size: height and width in pixels for all sources; None: each has its own.
        decoding: see `regraft.fit`.
        strict: an unreadable example is an error.
        lenient: see `regraft.fit`; else a source cannot be used that does not know a column with one value or none.
        trust: let Python code in the sources run; only where you trust all their authors.
        seed: of every random choice.
        cache: folder of the activations.
        cache_limit: see `regraft.fit`.
        engine: what runs the networks.
        columns: see `regraft.fit`.
        tokens: likewise.
        vocabulary: likewise.

    Returns:
        The ranking, with what could not be used and why, what simpler ways reach, and a verdict.

    Raises:
        RequestError: the request was wrong, or none of the sources can be used.
        DataError: `strict`, and an example cannot be read.
        WorkError: the work failed.
    """
    if confirm < 0:
        raise RequestError(f"expected to confirm 0 sources or more, found {confirm}")
    seconds = None if time_budget is None else durations.parse(time_budget, "a time budget")
    deadline = Deadline(seconds)
    plan = Plan(
        source="",
        input_size=input_size,
        decoding=decoding,
        strict=strict,
        lenient=lenient,
        trust=trust,
        seed=seed,
        engine=engine,
        tokens=tokens,
        vocabulary=None if vocabulary is None else os.fspath(vocabulary),
        columns=columns_.of(columns),
    )
    require_engine(plan)
    with catalogue_at(zoo):
        gathered = gather(sources)
        with collecting_warnings() as warned:
            examples = data_room.open(data, labels=labels, strict=strict, lenient=lenient, columns=plan.columns)
        store = Store(Path(cache) if cache else None, cache_limit)
        looker = Looker(Sources(examples, plan), examples, store, seed, strict=strict)
        if confirm and seconds is not None:
            deadline.reserved = _FOR_CONFIRMING * seconds
        with interruption.noted(_STOPPING) as heard:
            record = _ranked(gathered, looker, deadline, heard, confirm)
            warned += record.warnings
            if confirm and not record.interrupted:
                deadline.reserved = 0.0
                same = {"labels": labels, "cache": cache, "cache_limit": cache_limit}
                live = {candidate.name: candidate.source for candidate in gathered.found}
                with collecting_warnings() as more:
                    made = confirming.confirm(
                        data, record.ranking, live, confirm, plan, same, Path(out) if out else None, deadline, heard
                    )
                warned += more
                record = _with_runs(record, made, deadline)
    record = replace(record, budget=seconds, warnings=tuple(dict.fromkeys(warned)))
    if page is not None:
        rank_page.write(Path(page), record)
    return record


def _ranked(
    gathered: Candidates, looker: Looker, deadline: Deadline, heard: Callable[[], bool], confirm: int
) -> RankRecord:
    """The ranking by scores alone."""
    count = len(gathered.found)
    say(f"{count} source{'' if count == 1 else 's'} to rank")
    clock = {"open": deadline.spent}
    found = rounds.run(gathered.found, looker, deadline, heard, keep=max(rounds.FEW, confirm))
    clock["rounds"] = deadline.spent - clock["open"]
    if not found.ranked:
        if heard():
            raise KeyboardInterrupt
        raise _none_usable(gathered, found)
    with collecting_warnings() as warned:
        examples = _readable(looker.examples, found.unreadable)
    known = known_models(gathered.found, found.looks, looker.examples)
    ranked = noted(found.ranked, known, looker.same)
    begun = deadline.spent
    baselines, gains = _simpler(looker, ranked, found, deadline, heard)
    clock["baselines"] = deadline.spent - begun
    return RankRecord(
        ranked,
        (*gathered.refused, *found.refused),
        known,
        baselines,
        telling.verdict(ranked, known, gains, found.unseen),
        found.rule,
        found.sizes,
        {**clock, "total": deadline.spent},
        None,
        examples.summary(),
        heard(),
        tuple(warned),
        environment=environment(),
    )


def _readable(examples: Examples, unreadable: Mapping[int, str]) -> Examples:
    """The others, with one warning for all sources."""
    if not unreadable:
        return examples
    indices = sorted(unreadable)
    reasons = [unreadable[index] for index in indices]
    warn(f"left out {len(indices)} example(s) that cannot be read, first: {reasons[0]}")
    return examples.without(indices, reasons)


def _with_runs(record: RankRecord, made: Confirmed, deadline: Deadline) -> RankRecord:
    ranked = combining.order(made.ranked)
    seconds = {**record.seconds, "confirm": deadline.spent - record.seconds["total"], "total": deadline.spent}
    verdict = telling.fitted(ranked, record.known, made.said) if made.said else record.verdict
    return replace(record, ranking=ranked, verdict=verdict, seconds=seconds, interrupted=made.interrupted)


def gather(sources: Iterable[Any] | Any | None) -> Candidates:
    """The candidates that are named, or all that are here."""
    several = isinstance(sources, (list, tuple, set, frozenset))
    return sources_.gather(cast(Iterable[Any] | None, sources) if several or sources is None else [sources])


def known_models(candidates: Sequence[Candidate], looks: dict[str, Look], examples: Examples) -> tuple[Known, ...]:
    """Models among the sources that tell the classes of the examples apart, by their names, the best first."""
    digest = examples.digest()
    found: list[Known] = []
    for candidate in candidates:
        look = looks.get(candidate.name)
        classes = candidate.classes or (look.classes if look is not None else None) or ()
        if not set(map(folded, examples.classes)) <= set(map(folded, classes)):
            continue
        same = candidate.data_digest == digest
        here = _right_as_it_is(look, examples) if look is not None else None
        found.append(Known(candidate.name, len(classes), candidate.accuracy, candidate.measured_on, here, same))
    return tuple(sorted(found, key=lambda each: (each.same_data, -(each.here.value if each.here else 0.0))))


def _right_as_it_is(look: Look, examples: Examples) -> Metric | None:
    """The part of the examples of a look that the source's own answers are right about."""
    if look.answers is None:
        return None
    names = np.array([folded(name) for name in look.classes or ()])
    wanted = np.array([folded(name) for name in examples.classes])
    return metrics.accuracy(names[look.answers] == wanted[examples.labels[look.indices]])


def noted(
    ranked: Sequence[Ranked], known: Sequence[Known], same_network: Mapping[str, str] | None = None
) -> tuple[Ranked, ...]:
    """With what is to be known of the figures; what remembers these examples goes last.

    Args:
        ranked: the sources.
        known: models for these very classes.
        same_network: by the name of a source that is not ranked, the one with the same network, which is.
    """
    ranked_as = same_network or {}
    same = {ranked_as.get(each.source, each.source) for each in known if each.same_data}
    for_classes = {ranked_as.get(each.source, each.source) for each in known}
    made: list[Ranked] = []
    for item in ranked:
        if item.source in same:
            note = "it has learnt from these very examples: its scores say nothing of others"
            item = replace(item, trained_on_these=True, note=note)
        elif item.source in for_classes:
            item = replace(item, note="it tells classes of these names apart already")
        made.append(item)
    return combining.order(made)


def _none_usable(gathered: Candidates, found: rounds.Rounds) -> SourceError:
    refused = (*gathered.refused, *found.refused)
    shown = "; ".join(f"'{each.source}': {each.reason}" for each in refused[:3])
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    whom = "the only source cannot" if len(refused) == 1 else f"none of {len(refused)} sources can"
    return SourceError(f"{whom} be used for these examples: {shown}{more}")


def _simpler(
    looker: Looker, ranked: Sequence[Ranked], found: rounds.Rounds, deadline: Deadline, heard: Callable[[], bool]
) -> tuple[dict[str, Baseline], dict[str, Metric]]:
    """What simpler ways reach on the examples of the best source, as far as there is time."""
    best = found.looks[ranked[0].source]
    baselines: dict[str, Baseline] = {}
    gains: dict[str, Metric] = {}
    try:
        with stopping(lambda: heard() or deadline.left <= 0):
            made = simpler(looker, best)
            baselines, gains = dict(made.baselines), dict(made.gains)
            if affordable(best, found.sizes[0]) and deadline.allows(2 * ranked[0].seconds):
                baseline, gain = with_random_weights(looker, best, found.sizes[0])
                baselines["random_trunk"], gains["random_trunk"] = baseline, gain
    except Stopped:
        say("left out: what simpler ways reach")
    return baselines, gains

"""One look at one source: a pass of its trunk over a sample, and what scores say of the activations."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.activations.compute import Activations, compute
from regraft.activations.engines import Wanted
from regraft.activations.memory import MemoryStore
from regraft.activations.store import Store
from regraft.core.errors import DataError, SourceError
from regraft.core.input_spec import InputSpec
from regraft.core.plan import Plan
from regraft.core.progress import collecting_warnings
from regraft.core.records import CutPoint
from regraft.data import Examples
from regraft.graph.cut_points import cut_points
from regraft.graph.digest import of_trunk
from regraft.importers import Pretrained
from regraft.recipes.keeping import engine_for
from regraft.recipes.ranking.candidate import Candidate
from regraft.recipes.ranking.opening import Open, Sources
from regraft.recipes.survey import informative_points
from regraft.training.neighbours import left_out_neighbours
from regraft.training.probes import ProbeResult, best_cut, probe_many, stratified
from regraft.zoo.scores import SCORES

Array = np.ndarray[Any, Any]

PROBE, NEIGHBOURS, QUALITY = "probe", "neighbours", "quality"
# Examples that the scores of `zoo.scores` look at: with more, some of them would take longer than the pass.
_SCORED = 1_000


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What a look at a source found.

    Attributes:
        candidate: the source.
        indices: of the examples that it is about, rising.
        inputs: how they were prepared.
        classes: that the source tells apart, where it says so, in the order of its outputs.
        answers: of the source itself, as it is: indices (n,) of these classes; None where it has no such output.
        point: the cut point that a head would stand on.
        width: of the activations there.
        right: bool (n,), whether the probe of the cut point where that is most often so is right about each example
            when that is left out.
        at_cut: the same of the probe at `point`.
        error: of that one: its mean squared error.
        scores: by name.
        seconds: that opening, the pass, and the scores took.
        passed: that the pass took of these.
        computed: of how many examples the pass computed something.
        unreadable: index and reason of each example of the sample that cannot be read.
        warnings: that were given meanwhile.
    """

    candidate: Candidate
    indices: Array
    inputs: InputSpec
    classes: tuple[str, ...] | None
    answers: Array | None
    point: CutPoint
    width: int
    right: Array
    at_cut: Array
    error: float
    scores: Mapping[str, float]
    seconds: float
    passed: float
    computed: int
    unreadable: tuple[tuple[int, str], ...]
    warnings: tuple[str, ...]


class Looker:
    """Looks at sources.

    Args:
        sources: opens them.
        examples: whose training examples are looked at, and no others.
        store: of activations; what a look computes, `fit` finds there.
        seed: of the choice of examples.
        in_memory: keep activations there instead.
        strict: an example that cannot be read is an error.

    Attributes:
        same: by the name of a source that was refused for it, the one of before that is the same network.
    """

    def __init__(
        self,
        sources: Sources,
        examples: Examples,
        store: Store,
        seed: int = 0,
        in_memory: bool = False,
        strict: bool = False,
    ) -> None:
        self.sources, self.examples, self.seed, self.strict = sources, examples, seed, strict
        self._store = MemoryStore(store.folder.parent, store.limit) if in_memory else store
        self.same: dict[str, str] = {}
        self._networks: dict[str, tuple[str, ...]] = {}

    @property
    def most(self) -> int:
        """How many examples there are to look at."""
        return int((self.examples.split == "train").sum())

    def sample(self, size: int) -> Array:
        """Indices of so many training examples, classes in proportion; a larger sample has a smaller one in it."""
        training = self.examples.indices("train")
        return training[stratified(self.examples.labels[training], size, self.seed)]

    def look(self, candidate: Candidate, size: int) -> Look:
        """What activations of about so many examples say of a source.

        Raises:
            RegraftError: it cannot be opened, or not be used for these examples, or was looked at under another name.
        """
        started = time.perf_counter()
        with collecting_warnings() as warned:
            opened = self.sources.open(candidate)
            model = opened.pretrained.model
            points = {point.name: point for point in cut_points(model)}
            names = informative_points(model, points, opened.plan)
            if not names:
                raise SourceError(f"'{candidate.name}' has no tensor that a head could stand on")
            begun = time.perf_counter()
            indices, pooled, made = self._pass(opened, names, self.sample(size))
            passed = time.perf_counter() - begun
            told = candidate.classes or opened.pretrained.classes
            network = self._networks.get(candidate.name) or (*_computed(model, points, made), *(told or ()))
            self._require_new(candidate, network)
            labels, classes = self.examples.labels[indices], len(self.examples.classes)
            probes = probe_many(pooled, labels, classes, seed=self.seed)
            best = best_cut(probes)
            most = max(probes.values(), key=lambda result: result.accuracy.value)
            scores = self._scores(candidate, most, pooled[best], labels, classes)
        self._networks[candidate.name] = network
        return Look(
            candidate,
            indices,
            opened.pretrained.inputs,
            told,
            _answers(points[names[-1]], pooled[names[-1]], told),
            points[best],
            probes[best].width,
            most.correct,
            probes[best].correct,
            probes[best].error,
            scores,
            time.perf_counter() - started,
            passed,
            -(-made.computed // len(names)),
            made.unreadable,
            tuple(dict.fromkeys((*opened.warnings, *warned))),
        )

    def _require_new(self, candidate: Candidate, network: tuple[str, ...]) -> None:
        """Refuse a network that was looked at under another name, by what it computes and the names of its classes.

        Raises:
            SourceError: it names the other.
        """
        first = next((name for name, other in self._networks.items() if other == network), candidate.name)
        if first != candidate.name:
            self.same[candidate.name] = first
            self.sources.close(candidate)
            raise SourceError(f"it is the same network as '{first}', which is ranked")

    def _pass(
        self, opened: Open, names: tuple[str, ...], indices: Array
    ) -> tuple[Array, dict[str, Array], Activations]:
        """Indices of the examples that can be read, their pooled activations by cut point, and all that was made."""
        pretrained, some = opened.pretrained, self.examples.take(indices)
        wanted = [Wanted(name, pooled=True) for name in names]
        engine = engine_for(pretrained, some, opened.plan, wanted, self._store)
        made = compute(
            pretrained.model,
            pretrained.inputs,
            self.examples,
            indices,
            wanted,
            self._store,
            engine=engine,
            source=pretrained.source,
        )
        unreadable = [index for index, _ in made.unreadable]
        indices = indices[~np.isin(indices, unreadable)]
        labels = self.examples.labels[indices]
        if len(np.unique(labels)) < 2:
            raise DataError(
                f"expected readable training examples of at least two classes, found {len(np.unique(labels))}"
            )
        ids = self.examples.ids.take(indices)
        rows = {item.cut_point: made.rows[item].gather(ids) for item in wanted}
        return indices, rows, made

    def probed(self, pretrained: Pretrained, indices: Array) -> ProbeResult:
        """The probe at the best place of a network that nobody will ask for again."""
        points = {point.name: point for point in cut_points(pretrained.model)}
        names = informative_points(pretrained.model, points, Plan(source=pretrained.source, seed=self.seed))
        wanted = [Wanted(name, pooled=True) for name in names]
        place = MemoryStore(self._store.folder.parent, self._store.limit)
        made = compute(pretrained.model, pretrained.inputs, self.examples, indices, wanted, place)
        ids = self.examples.ids.take(indices)
        rows = {item.cut_point: made.rows[item].gather(ids) for item in wanted}
        probes = probe_many(rows, self.examples.labels[indices], len(self.examples.classes), seed=self.seed)
        return probes[best_cut(probes)]

    def _scores(
        self, candidate: Candidate, probe: ProbeResult, activations: Array, labels: Array, classes: int
    ) -> dict[str, float]:
        near = left_out_neighbours(activations, labels, classes).predictions
        found = {PROBE: probe.accuracy.value, NEIGHBOURS: float(np.mean(near == labels))}
        some = stratified(labels, _SCORED, self.seed)
        for name, module in SCORES.items():
            # A score that cannot be computed of these activations is one less, and no reason to refuse the source.
            with contextlib.suppress(DataError):
                found[name] = module.score(activations[some], labels[some], classes, self.seed)
        if candidate.quality is not None:
            found[QUALITY] = candidate.quality
        return {name: value for name, value in found.items() if np.isfinite(value)}


def _computed(model: keras.Model, points: dict[str, CutPoint], made: Activations) -> tuple[str, ...]:
    """Digests of structure, weights and input, as they are known from the pass; and of the answer where it had none."""
    last = next(reversed(points))
    reached = last in {item.cut_point for item in made.keys}
    return (*made.keys.values(), *(() if reached else (of_trunk(model, last),)))


def _answers(point: CutPoint, outputs: Array, classes: tuple[str, ...] | None) -> Array | None:
    """What a source answers as it is, where its last cut point is an output for each of its classes."""
    return outputs.argmax(axis=1) if classes and point.shape == (len(classes),) else None

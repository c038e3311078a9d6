"""One lesson of one way: learn from all folds but one, answer for the one that was left out."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self

import keras
import numpy as np

from regraft.activations.compute import RowsLike, compute
from regraft.activations.engines import Wanted
from regraft.activations.keys import Keys
from regraft.activations.memory import MemoryStore
from regraft.core import digest, plain
from regraft.core.depth import Way
from regraft.core.head_spec import HeadSpec
from regraft.core.phase import AVERAGED, Phase
from regraft.core.plan import Plan
from regraft.core.progress import warn
from regraft.graph import names
from regraft.importers import Pretrained
from regraft.recipes.averaging import Line, at
from regraft.recipes.depth.answers import Answers, Kept
from regraft.recipes.depth.lessons import Lessons, lessons
from regraft.recipes.depth.timing import Pace
from regraft.recipes.fine_tuning import reused
from regraft.recipes.keeping import decided, on_the_fly, spreads
from regraft.recipes.survey import Survey
from regraft.surgery.graft import graft, set_values
from regraft.training.again import Again
from regraft.training.feeds import Feed
from regraft.training.heads import LayeredHead, LinearHead, fit_head, fit_layers, phase_of
from regraft.training.rates import with_rates

Array = np.ndarray[Any, Any]

# Where the weights are taken between those that training began and ended with: answers for all come of one lesson.
AVERAGES = (0.25, 0.5, 0.75, 1.0)
# Whoever changes what a lesson does raises it: answers of before are then no longer those of the same way.
_FORMAT = 2
# The smallest part of the labels that is ever learnt from.
LEAST = 0.25


class Interrupted(Exception):  # noqa: N818 - a request, not an error
    """The user wants an answer now."""


@dataclass(slots=True, eq=False)
class Trier:
    """Lets ways learn and answer; what is known already is not done again.

    Attributes:
        pretrained: the source.
        found: its survey: averages at every cut point that a head could stand on.
        plan: what is the same for all ways.
        lessons: the examples, divided.
        kept: answers of before.
        pace: what lessons have taken.
        before: keys of what was known before any way was tried, here or in other processes of this search.
    """

    pretrained: Pretrained
    found: Survey
    plan: Plan
    lessons: Lessons
    kept: Kept
    pace: Pace
    before: frozenset[str]
    _heads: dict[Any, LinearHead | LayeredHead] = field(default_factory=dict[Any, LinearHead | LayeredHead])
    _rows: dict[str, RowsLike] = field(default_factory=dict[str, RowsLike])
    _lesson: tuple[str, Again] | None = None
    _trunks: dict[str, str] = field(default_factory=dict[str, str])
    _data: str = ""

    def answers(self, way: Way, fold: int, *, steps: int = 0, rate: float | None = None, part: float = 1.0) -> Answers:
        """What a way answers for the examples that a fold leaves out.

        Args:
            way: what is tried.
            fold: is left out.
            steps: of training; 0: the head alone.
            rate: where there are steps.
            part: of the other examples that is learnt from.

        Raises:
            Interrupted: the user pressed Ctrl-C meanwhile.
        """
        key = self._key(way, fold, steps, rate, part)
        known = self.kept.get(key)
        if known is not None:
            return known
        started = time.perf_counter()
        made = self._tuned(way, fold, steps, rate, part) if steps and rate else self._of_head(way, fold, part)
        made = replace(made, seconds=time.perf_counter() - started)
        self.pace.note(_learning(way), self.operations(way), steps, made.seconds)
        self.kept.put(key, made)
        return made

    def divided(self, number: int) -> Self:
        """The same with the examples divided into folds in another way; 0 is the way of the plan's seed."""
        other = lessons(self.found.examples, self.plan.seed + number)
        return replace(self, lessons=other, _heads={}, _data="")

    def knew(self, way: Way, folds: Sequence[int], *, steps: int = 0, rate: float | None = None) -> bool:
        """Whether all of these answers were known before."""
        return all(self._key(way, fold, steps, rate, 1.0) in self.before for fold in folds)

    def expected(self, way: Way, steps: int) -> float:
        """Seconds that a lesson will take."""
        return self.pace.expected(_learning(way), self.operations(way), steps)

    def operations(self, way: Way) -> float:
        """Multiplications and additions of one step, forwards and backwards; 0 where that is not known."""
        points = self.found.points
        top, below = points[way.cut_point].flops_below, points[way.trained_from].flops_below
        return 3.0 * ((top or 0) - (below or 0)) * self.phase(1, 1e-3).batch_size

    def phase(self, steps: int, rate: float) -> Phase:
        """What a lesson obeys; as many epochs as the steps can take, however few examples there are."""
        asked = Phase.of(self.plan.fine_tune, name="depth", rate=rate, rates=(), keep="last", patience=None)
        fewest = min(len(self.lessons.learnt(fold, LEAST)) for fold in self.lessons.judged_by)
        epochs = max(1, math.ceil(steps / math.ceil(fewest / (asked.batch_size * asked.accumulate))))
        return replace(asked, steps=steps, epochs=epochs, moving_average=asked.moving_average or AVERAGED)

    def key_of_all(self) -> str:
        """A digest of the source, the examples and what all ways have in common."""
        top = self.found.candidates[-1]
        return self._key(Way(top, top), 0, 1, 1.0, 1.0)

    def _key(self, way: Way, fold: int, steps: int, rate: float | None, part: float) -> str:
        if not self._data:
            some = self.found.examples.take(self.lessons.indices)
            self._data = digest.of_strings([some.digest(), *map(str, self.lessons.fold.tolist())])
        about = {
            "format": _FORMAT,
            "data": self._data,
            "trunk": self._trunk(way.cut_point),
            "engine": self.found.engine,
            "way": [way.cut_point, way.trained_from, list(way.hidden)],
            "head": plain.to_plain(head_spec(self.plan, way)),
            "phase": plain.to_plain(self.phase(steps, rate)) if steps and rate else None,
            "fold": fold,
            "part": part,
            "seed": self.plan.seed,
        }
        return digest.of_json(about)

    def _trunk(self, cut_point: str) -> str:
        """A digest of what is below a cut point, of how pictures are prepared for it, and of what computes it."""
        if cut_point not in self._trunks:
            keys = Keys(self.pretrained.model, self.pretrained.inputs, self.found.examples, [cut_point])
            self._trunks[cut_point] = str(keys.about(Wanted(cut_point, pooled=True))["key"])
        return self._trunks[cut_point]

    def _head(self, way: Way, fold: int, part: float) -> LinearHead | LayeredHead:
        """What the lesson begins with: all reused layers frozen, the head solved, new layers trained."""
        key = (way.reads, way.hidden, fold, part)
        if key not in self._heads:
            rows = self.lessons.learnt(fold, part)
            x = self.found.pooled(way.reads, self.lessons.indices[rows])
            self._heads[key] = self._fitted(way, x, self.lessons.labels[rows])
        return self._heads[key]

    def _fitted(self, way: Way, x: Array, labels: Array) -> LinearHead | LayeredHead:
        spec, classes, seed = head_spec(self.plan, way), self.lessons.classes, self.plan.seed
        if not way.hidden:
            return fit_head(x, labels, classes, spec, seed=seed)
        x = x.astype(np.float32, copy=False)
        nothing = Feed(lambda chosen, _: x[chosen], labels[:0])
        feed = Feed(lambda chosen, _: x[chosen], labels)
        learnt = fit_layers(feed, nothing, classes, way.hidden, phase_of(spec, len(x)), seed)
        if learnt.trained.interrupted:
            raise Interrupted
        return learnt.head

    def _of_head(self, way: Way, fold: int, part: float) -> Answers:
        rows = self.lessons.left_out(fold)
        x = self.found.pooled(way.reads, self.lessons.indices[rows])
        made = self._head(way, fold, part).probabilities(x)
        return Answers((0.0,), np.asarray(made, np.float32)[None], 0.0)

    def _tuned(self, way: Way, fold: int, steps: int, rate: float, part: float) -> Answers:
        head, learnt = self._head(way, fold, part), self.lessons.learnt(fold, part)
        branch = self._branch(way)
        set_values(branch, head.values)
        # The same for all folds and rates, so that it is compiled once.
        phase = with_rates(self.phase(steps, 1.0), branch)
        lesson, start = self._again(way, branch, phase), names.values(branch)
        ended = lesson.train(start, self._feed(way, learnt), self.plan.seed + fold, factor=rate)
        if ended.interrupted:
            raise Interrupted
        line, judged = Line(start, ended.values, lesson.learnt), self._feed(way, self.lessons.left_out(fold))
        found = [lesson.probabilities(at(line, point), judged).astype(np.float32) for point in AVERAGES]
        return Answers(AVERAGES, np.stack(found), 0.0)

    def _again(self, way: Way, branch: keras.Model, phase: Phase) -> Again:
        what = digest.of_json([way.name, plain.to_plain(phase)])
        if self._lesson is None or self._lesson[0] != what:
            self._lesson = what, Again(branch, phase)
        return self._lesson[1]

    def _branch(self, way: Way) -> keras.Model:
        plan = replace(self.plan, cut_point=way.cut_point, head=head_spec(self.plan, way))
        made = reused(self.pretrained, way.trained_from, plan, self.lessons.classes)
        if made is not None:
            return made
        return graft(None, self.lessons.classes, shape=self.found.points[way.cut_point].shape)

    def _feed(self, way: Way, rows: Array) -> Feed:
        kept, ids, indices = self._whole(way.trained_from), self.found.examples.ids, self.lessons.indices[rows]
        return Feed(lambda chosen, _: kept.gather(ids.take(indices[chosen])), self.lessons.labels[rows])

    def _whole(self, cut_point: str) -> RowsLike:
        """Whole activations of the labelled examples at a cut point: kept where there is room, else made when asked."""
        if cut_point in self._rows:
            return self._rows[cut_point]
        item, store = Wanted(cut_point, pooled=False), self.found.store
        one_view = replace(self.plan, views=1, fine_tune=replace(self.plan.fine_tune, enabled="auto"))
        points = [self.found.points[cut_point]]
        made = decided(self.pretrained, self.found.examples, one_view, [], points, store).made
        if made.from_cut is None:
            warn(f"there is no room for the activations at '{cut_point}': they are computed whenever training asks")
            rows = on_the_fly(self.pretrained, self.found.examples, [item], self.found.engine)[item]
        else:
            place = MemoryStore(store.folder.parent, store.limit) if made.maps == "memory" else store
            rows = compute(
                self.pretrained.model,
                self.pretrained.inputs,
                self.found.examples,
                self.lessons.indices,
                [item],
                place,
                dtype=made.dtype,
                engine=self.found.engine,
                spread=spreads(self.plan, place),
                source=self.pretrained.source,
                description=f"activations at '{cut_point}'",
            ).rows[item]
        self._rows[cut_point] = rows
        return rows


def joined(parts: Sequence[Answers], lessons: Lessons, folds: Sequence[int]) -> Array:
    """Answers of several folds as one array (averages, n, classes); rows that none of them left out are NaN."""
    shape = (len(parts[0].averages), len(lessons.indices), lessons.classes)
    made = np.full(shape, np.nan, np.float32)
    for part, fold in zip(parts, folds, strict=True):
        made[:, lessons.left_out(fold)] = part.probabilities
    return made


def head_spec(plan: Plan, way: Way) -> HeadSpec:
    """The plan's head, on the cut points that a way reads, with its new layers."""
    learning = plan.head.learning if way.hidden else None
    return replace(plan.head, taps=way.reads[:-1], hidden=way.hidden, learning=learning)


def _learning(way: Way) -> str:
    """What of two lessons makes them take as long as each other."""
    if not way.tuned:
        return f"new layers {way.hidden}" if way.hidden else "a head"
    return way.name

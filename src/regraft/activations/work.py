"""The work of a pass, block by block: here, or by whoever it is sent to."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.activations import engines
from regraft.activations.engines import BATCH, Run, Wanted, in_turn
from regraft.activations.loading import batches
from regraft.activations.store import Rows, Store
from regraft.activations.tasks import Block, Kind
from regraft.activations.writing import Collected, Writing
from regraft.core.input_spec import InputSpec
from regraft.data import Examples

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What is done to every block; it can travel to other processes by pickle.

    Attributes:
        model: the network.
        inputs: its input convention.
        examples: where pictures come from.
        kinds: what each task computes.
        about: of each thing that is wanted, what it depends on, with its digest as `key`.
        below: for the tasks that start at a seam, the key of the rows there.
        limits: bytes after which a file of each thing is written.
        engine: what runs the trunk.
    """

    model: keras.Model
    inputs: InputSpec
    examples: Examples
    kinds: tuple[Kind, ...]
    about: Mapping[Wanted, Mapping[str, Any]]
    below: Mapping[int, str]
    limits: Mapping[Wanted, int]
    engine: str

    def compiled(self) -> list[Run]:
        """What computes each task; those of different views that are otherwise alike share it."""
        made: dict[Kind, Run] = {}
        runs: list[Run] = []
        for kind in self.kinds:
            alike = Kind(tuple(replace(item, view=0) for item in kind.items), kind.start)
            if alike not in made:
                made[alike] = engines.compile_trunk(
                    self.model,
                    self.inputs,
                    self.examples.full_intensity,
                    alike.items,
                    start=kind.start,
                    engine=self.engine,
                )
            runs.append(made[alike])
        return runs


class Worker:
    """Work that has begun: does blocks, and keeps what they give in a store."""

    def __init__(self, work: Work, store: Store) -> None:
        self._work, self._store = work, store
        self._runs = work.compiled()
        self._below = {place: store.open(key) for place, key in work.below.items()}

    def do(
        self, blocks: Sequence[Block], known: Mapping[Wanted, Rows], unreadable: list[tuple[int, str]]
    ) -> Iterator[int]:
        """Compute blocks and write them.

        Args:
            blocks: what to compute.
            known: is told of the files that are written.
            unreadable: (index, reason) is added to it of each example that cannot be read.

        Yields:
            How many examples the batch had that was done last.
        """
        work = self._work
        with Writing(self._store) as writing:
            collected = {item: writing.key(about, known[item], work.limits[item]) for item, about in work.about.items()}
            # Those from pixels come first, as they are given.
            left = iter(sorted(blocks, key=self._is_above))
            self._expect(collected, next(left, None))
            begun = map(self._begun, self._given(blocks, unreadable))
            for made in in_turn(begun, lambda: max(run.ahead for run in self._runs)):
                if made is None:
                    writing.flush()
                    self._expect(collected, next(left, None))
                    continue
                place, indices, results = made
                ids = work.examples.ids.take(indices)
                for item, rows in zip(work.kinds[place].items, results, strict=True):
                    collected[item].add(ids, rows)
                yield len(indices)

    def _begun(self, given: tuple[int, Array, Array] | None) -> Callable[[], tuple[int, Array, list[Array]] | None]:
        """Start a batch; what is returned waits for its task, indices and results. None is the end of a block."""
        if given is None:
            return lambda: None
        place, indices, raw = given
        finish = self._runs[place].begin(raw)
        return lambda: (place, indices, finish())

    def _is_above(self, block: Block) -> bool:
        """Whether it starts at a seam."""
        return block.parts[0][0] in self._below

    def _expect(self, collected: Mapping[Wanted, Collected], block: Block | None) -> None:
        """Say how many rows of each thing come of a block."""
        for item, rows in collected.items():
            parts = block.parts if block else ()
            rows.expect(sum(len(indices) for place, indices in parts if item in self._work.kinds[place].items))

    def _given(
        self, blocks: Sequence[Block], unreadable: list[tuple[int, str]]
    ) -> Iterator[tuple[int, Array, Array] | None]:
        """What the trunk is given: (task, indices, rows), and None at the end of each block."""
        above = [block for block in blocks if self._is_above(block)]
        pixels = [block for block in blocks if not self._is_above(block)]
        work = self._work
        yield from batches(work.examples, pixels, [kind.view for kind in work.kinds], work.inputs, unreadable)
        for block in above:
            for place, indices in block.parts:
                for start in range(0, len(indices), BATCH):
                    some = indices[start : start + BATCH]
                    yield place, some, self._below[place].gather(work.examples.ids.take(some))
            yield None


@dataclass(frozen=True, slots=True)
class Report:
    """What somebody else did.

    Attributes:
        files: what was written: of which thing, the file's name.
        unreadable: (index, reason) of the examples that could not be read.
        examples: how many were computed, those of each task counted.
    """

    files: tuple[tuple[Wanted, str], ...]
    unreadable: tuple[tuple[int, str], ...]
    examples: int


@dataclass(frozen=True, slots=True, eq=False)
class Elsewhere:
    """Work for another process, which writes into the same folder; see `spreading.Job`."""

    work: Work
    folder: Path

    def begin(self) -> Callable[[Block], Report]:
        """Compile the trunk, in the process that will do it."""
        worker = Worker(self.work, Store(self.folder))

        def run(block: Block) -> Report:
            known = {item: Rows() for item in self.work.about}
            unreadable: list[tuple[int, str]] = []
            done = sum(worker.do([block], known, unreadable))
            files = tuple((item, shard.path.name) for item, rows in known.items() for shard in rows.files)
            return Report(files, tuple(unreadable), done)

        return run

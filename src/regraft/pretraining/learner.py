"""What a method of pretraining gives to the loop, and what it is given: the words all methods share."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import keras
import numpy as np

from regraft.core.pretraining import Kind, Spec

Array = np.ndarray[Any, Any]
Tensor = Any
Batch = tuple[Array, ...]
# (model, what `draw` gave, as tensors) -> a figure, mean over the batch; in inference mode, in `keras.ops` alone.
Measure = Callable[[keras.Model, tuple[Tensor, ...]], Tensor]


class Rows(Protocol):
    """Prepared examples, fetched by index: what the trunk takes, and what is known of it."""

    @property
    def labels(self) -> Array | None:
        """int64 (n,); None where there are none."""
        ...

    @property
    def groups(self) -> Array | None:
        """int64 (n,): which belong together; None where that is not known."""
        ...

    @property
    def pairs(self) -> Array | None:
        """int64 (m, 2): which are above which, the first of each pair above the second; None where nothing says it."""
        ...

    def __len__(self) -> int:
        """How many there are."""
        ...

    def take(self, indices: Array) -> Array:
        """float32 or int32 (len(indices), ...): the inputs of these examples, in this order."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """What a method may look at before it builds anything.

    Attributes:
        kind: of data.
        x: prepared inputs, float32 or int32 (some, ...): at most some thousand of the training examples.
        count: how many training examples there are.
        labels: of `x`, int64 (some,); None where there are none.
        groups: of `x`, int64 (some,); None where there are none.
        vocabulary: text: how many ids there are; else 0.
        cells: table: where each column of the table lies in a row, (start, stop), one behind the other; else empty.
        categories: table: which of the cells hold a category, a 1 among zeros.
        stage: how many stages are below, where layers are trained one at a time.
    """

    kind: Kind
    x: Array
    count: int
    labels: Array | None = None
    groups: Array | None = None
    vocabulary: int = 0
    cells: tuple[tuple[int, int], ...] = ()
    categories: tuple[int, ...] = ()
    stage: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """Of one input."""
        return tuple(self.x.shape[1:])

    @property
    def is_unit(self) -> bool:
        """Whether all values lie from 0 to 1, so that each can be read as a probability."""
        return self.x.dtype.kind == "f" and bool((self.x >= 0).all() and (self.x <= 1).all())


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """What learns, from what, and by which loss.

    Attributes:
        model: everything that learns; the layers of `trunk` are the very layers inside it. The loop changes it.
        trunk: what is kept as source: input -> representation.
        draw: (rows, indices, random, progress) -> one batch for `loss`. `indices` (int64) are the examples whose turn
            it is, each once in a pass, or what else `turns` counts; a method of pairs may take others of `rows`
            besides. All randomness is drawn
            here, in NumPy. `progress` goes from 0 to 1 over all steps; held-out examples are always drawn at 1 and
            from the same seed, so that epochs compare. Every array has the batch along its first axis, or no axis.
        loss: (model, batch, training) -> mean over the batch, in `keras.ops` alone. `batch` holds tensors: what `draw`
            gave, then the values of `carried` in their order. With `carried`: -> (loss, {name: new value}).
        measures: figures on held-out examples, compiled with their loss; lower is better for that which `monitor`
            names.
        monitor: what early stopping and the choice of the epoch go by: `loss` or a name in `measures`.
        carried: arrays that live from step to step, such as the chains of persistent contrastive divergence.
        turns: how many of some rows have their turn in a pass: the examples, unless the method says otherwise.
    """

    model: keras.Model
    trunk: keras.Model
    draw: Callable[[Rows, Array, np.random.Generator, float], Batch]
    loss: Callable[[keras.Model, tuple[Tensor, ...], bool], Any]
    measures: Mapping[str, Measure] = field(default_factory=dict[str, Measure])
    monitor: str = "loss"
    carried: Mapping[str, Array] = field(default_factory=dict[str, Array])
    turns: Callable[[Rows], int] = len


class Method(Protocol):
    """What every module of a method has, in this order.

    Attributes:
        NAME: as in `METHODS`.
        KINDS: of data that it takes.
        LABELS: whether it needs labels or groups.
        GROUPS: whether it learns from groups where there are any.
        GREEDY: whether it trains one layer after the other; it is then asked for a learner for each stage.
        ARCHITECTURES: the trunk for a kind of data, where it is not the usual one for that kind.
        SPEC: how it is trained unless somebody says otherwise.
        Settings: a frozen slotted dataclass; each field has a default and a line in the docstring, and is `NAME=VALUE`
            on the command line. No field has the name of one of `Spec`. A property `needs_labels` says the same as
            `LABELS` where that depends on the settings, `needs_pairs` whether pairs of examples in an order are learnt
            from, and `in_views` whether pictures are seen changed. `unused(kind)`, where some make no difference for a
            kind of data or beside others, names these, each with what it is for.
    """

    NAME: str
    KINDS: tuple[Kind, ...]
    LABELS: bool
    GROUPS: bool
    GREEDY: bool
    ARCHITECTURES: Mapping[Kind, str]
    SPEC: Spec
    Settings: type[Any]

    def learner(self, trunk: keras.Model, sample: Sample, settings: Any, seed: int) -> Learner:
        """What learns on a trunk, or on one stage of it: what it is given maps an input or the stage below."""
        ...


class Greedy(Method, Protocol):
    """What a method that trains one layer after the other has besides."""

    def whole(
        self, trunk: keras.Model, stages: Sequence[Learner], sample: Sample, settings: Any, seed: int
    ) -> Learner | None:
        """What learns on the whole trunk once all stages have; None where nothing does."""
        ...

"""What an engine is to compute: the calls below the wanted cut points, in inference mode, as one function of a batch.

The function is written in the operations of Keras' backend. The Keras engine compiles it, the others are given the
graph that it leaves behind: no second description of a network that could differ from the first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.graph import cut_points, flow
from regraft.surgery.graft import scaled

Array = np.ndarray[Any, Any]
# From a whole batch, float32 (BATCH, ...), to one float32 array for each thing that is wanted.
Compiled = Callable[[Array], list[Array]]
# Waits for what has begun.
Finish = Callable[[], list[Array]]

# A multiple of the rows that kernels take at once, be it 4, 6, 8, 16 or 24: those left over are computed by others, and
# differ in the last bit. Measured without AVX-512: of 32, the last two in TensorFlow's matrix product, and the last
# places of the last picture in JAX' convolution.
BATCH = 48

# Channels that TensorFlow's kernels take at once, and up to how many they treat all rows alike in any case.
_VECTOR = 16
_ALIKE = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is wanted at a cut point: the whole tensor of each example, or its average over all axes but the last.

    Attributes:
        cut_point: its name.
        pooled: averaged or whole.
        view: which view of each picture; see `activations.views`. The trunk is the same for all.
    """

    cut_point: str
    pooled: bool
    view: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Trunk:
    """The part of a network that is run.

    Attributes:
        model: the network.
        opened: its flow.
        calls: those that are run, in order.
        entry: the value that is given.
        prepare: from what the function is given to that value: scaling of raw pictures, dtype.
        wanted: what is asked for.
        values: of each thing that is wanted.
    """

    model: keras.Model
    opened: flow.Flow
    calls: tuple[flow.Call, ...]
    entry: flow.Value
    prepare: Callable[[Any], Any]
    wanted: tuple[Wanted, ...]
    values: tuple[flow.Value, ...]

    def run(self, given: Any) -> list[Any]:
        """What is wanted of a batch, in one piece: tensors of Keras' backend in and out."""
        kept: dict[tuple[int, bool], Any] = {}

        def keep(value: int, tensor: Any) -> None:
            for item, of in zip(self.wanted, self.values, strict=True):
                if of == value:
                    kept[of, item.pooled] = pooled(tensor) if item.pooled else tensor

        flow.evaluate(self.opened, self.calls, {self.entry: self.prepare(given)}, keep)
        return [kept[value, item.pooled] for item, value in zip(self.wanted, self.values, strict=True)]

    def variables(self) -> list[Any]:
        """The variables of the layers that are run, each once."""
        found = {id(one): one for call in self.calls for one in getattr(call.operation, "variables", ())}
        return list(found.values())


@dataclass(frozen=True, slots=True)
class Queued:
    """A compiled trunk that takes the next batch before the results of one are there.

    Attributes:
        begin: starts a whole batch; what it returns waits for the results.
    """

    begin: Callable[[Array], Finish]

    def __call__(self, given: Array) -> list[Array]:
        """The results of a whole batch."""
        return self.begin(given)()


def trunk_of(
    model: keras.Model, inputs: InputSpec, full_intensity: float, wanted: Sequence[Wanted], start: str | None = None
) -> Trunk:
    """The part of a network between its input, or a cut point, and the wanted cut points.

    Args:
        model: the network.
        inputs: its input convention.
        full_intensity: the raw value that means white.
        wanted: cut points, with or without pooling; or the input, which is what the network itself is given.
        start: the cut point whose map is given; None: raw examples are.

    Raises:
        SourceError: the network has several inputs, there is no such cut point, or one is not above `start`.
    """
    opened = flow.read(model)
    if len(opened.inputs) != 1:
        raise SourceError(
            f"expected a network with one input, found '{model.name}' with {len(opened.inputs)}; cut it where they "
            "have come together, and give the part above"
        )
    values = tuple(cut_points.value_of(opened, item.cut_point) for item in wanted)
    entry = opened.inputs[0] if start is None else cut_points.find(opened, start).makes[0]
    below = {id(call) for call in opened.needed_for([entry])}
    _refuse_below(opened, wanted, values, start, below)
    dtype = opened.tensors[entry].dtype

    def prepare(given: Any) -> Any:
        return keras.ops.cast(given if start is not None else scaled(given, inputs, full_intensity), dtype)

    calls = tuple(call for call in opened.needed_for(values) if id(call) not in below)
    return Trunk(model, opened, calls, entry, prepare, tuple(wanted), values)


def _refuse_below(
    opened: flow.Flow, wanted: Sequence[Wanted], values: Sequence[int], start: str | None, below: set[int]
) -> None:
    makers = {value: call for call in opened.calls for value in call.makes}
    for item, value in zip(wanted, values, strict=True):
        if start is not None and item.cut_point != start and (value not in makers or id(makers[value]) in below):
            raise SourceError(
                f"expected cut points above '{start}', whose activations are given, found '{item.cut_point}' below it"
            )


def pooled(tensor: Any) -> Any:
    """The average over all axes but the first and the last; a vector is its own."""
    rank, channels = len(tensor.shape), tensor.shape[-1]
    if rank < 3:
        return tensor
    on_tensorflow = keras.backend.backend() == "tensorflow"
    missing = -channels % _VECTOR
    if on_tensorflow and channels > _ALIKE and missing:
        tensor = keras.ops.pad(tensor, [(0, 0)] * (rank - 1) + [(0, missing)])
    if on_tensorflow and rank == 4 and None not in tensor.shape[1:3]:
        # Half the time of a mean, which is a tenth of a pass that probes every cut point.
        window = tuple(tensor.shape[1:3])
        mean: Any = keras.ops.squeeze(keras.ops.average_pool(tensor, window, data_format="channels_last"), (1, 2))
    else:
        mean = keras.ops.mean(tensor, axis=tuple(range(1, rank - 1)))
    return mean[:, :channels]

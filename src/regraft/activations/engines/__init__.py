"""The frozen trunk as a compiled function from prepared examples to activations, on the engine that is asked for.

It always runs in batches of one fixed size, the last one padded, so that an example's activations depend on nothing but
itself; and in inference mode, layer by layer (see `graph.flow`). Layers whose results are random all the same are
refused: here where the network shows it, with the first batch where only running it does.
"""

from collections.abc import Callable, Sequence
from types import ModuleType

import keras as framework
import numpy as np

from regraft.activations.engines import keras, onnxruntime, openvino
from regraft.activations.engines.running import Run, in_turn, padded, whole_batches
from regraft.activations.engines.trunk import BATCH, Array, Finish, Trunk, Wanted, trunk_of
from regraft.core.errors import RequestError, nearest
from regraft.core.input_spec import InputSpec
from regraft.graph import random_layers

__all__ = ["BATCH", "ENGINES", "Run", "Wanted", "compile_trunk", "find", "in_turn"]

# The first is what the others are compared with.
ENGINES: dict[str, ModuleType] = {engine.NAME: engine for engine in (keras, openvino, onnxruntime)}


def compile_trunk(
    model: framework.Model,
    inputs: InputSpec,
    full_intensity: float,
    wanted: Sequence[Wanted],
    *,
    start: str | None = None,
    engine: str = keras.NAME,
) -> Run:
    """A function that computes what is wanted in one pass.

    Args:
        model: the network; only what the wanted cut points need is run. The function may hold its weights as they are
            now: once they have changed, make another.
        inputs: its input convention.
        full_intensity: the raw value that means white.
        wanted: cut points, with or without pooling.
        start: the cut point whose activations are given instead of raw examples; nothing is scaled then.
        engine: a name from `ENGINES`. Whether it computes what Keras does is for `choosing` to say.

    Returns:
        A function from raw examples at the network's size, float32 (n, ...) with n <= BATCH, to one float32 array
        (n, ...) for each item of `wanted`, in its order. It may also begin a batch and wait for it later, which goes
        with `in_turn`. With its first batch it raises a SourceError where a layer turns out to be random, a WorkError
        where the engine cannot run the network.

    Raises:
        SourceError: the network has several inputs, a layer that is random in inference too, or no such cut point.
        RequestError: there is no such engine, it is not installed, or it does not go with Keras' backend.
    """
    trunk = trunk_of(model, inputs, full_intensity, wanted, start)
    above = tuple(item for item, value in zip(wanted, trunk.values, strict=True) if value not in trunk.opened.inputs)
    if len(above) < len(wanted):
        upper = compile_trunk(model, inputs, full_intensity, above, engine=engine) if above else None
        return _with_input(trunk, above, upper)
    random_layers.refuse(trunk.calls)
    return whole_batches(find(engine).compile(trunk), _looking(trunk))


def _with_input(trunk: Trunk, above: Sequence[Wanted], upper: Run | None) -> Run:
    """What the network is given, scaled by Keras, beside what an engine makes of it.

    Scaling is arithmetic on single elements, and each of its operations is run by itself: nothing can be fused, and
    every row is the same to the bit whatever else is wanted.
    """

    def begin(raw: Array) -> Finish:
        finish = upper.begin(raw) if upper else list[Array]
        given = np.asarray(framework.ops.convert_to_numpy(trunk.prepare(padded(raw))), np.float32)[: len(raw)]

        def finished() -> list[Array]:
            made = dict(zip(above, finish(), strict=True))
            return [made.get(item, given) for item in trunk.wanted]

        return finished

    return Run(begin, upper.ahead if upper else 0)


def find(engine: str) -> ModuleType:
    """The engine of this name.

    Raises:
        RequestError: there is none.
    """
    if engine not in ENGINES:
        raise RequestError(f"expected an engine named {', '.join(ENGINES)}, found '{engine}'{nearest(engine, ENGINES)}")
    return ENGINES[engine]


def _looking(trunk: Trunk) -> Callable[[Array], None]:
    """What looks at the first batch for layers that are random."""
    looked = not any(random_layers.may_be(call.operation) for call in trunk.calls)

    def look(raw: Array) -> None:
        nonlocal looked
        if not looked:
            random_layers.refuse_by_running(trunk.opened, trunk.calls, trunk.entry, trunk.prepare(raw))
            looked = True

    return look

"""Networks that pretraining can begin with, by name: `mlp?units=500,250`, `cnn?filters=32,64`, and those of others.

Each is a file with `WHAT`, `KINDS`, `Options` and `build`, and stands in `TRUNKS`.
"""

from collections.abc import Mapping
from types import ModuleType

import keras

from regraft.core.errors import RequestError, SourceError, nearest
from regraft.core.pretraining import Kind
from regraft.importers import architecture
from regraft.importers.keras_applications import PREFIX
from regraft.pretraining.options import of_query
from regraft.pretraining.starting import begin, begin_others
from regraft.pretraining.trunks import cnn, mlp

TRUNKS: dict[str, ModuleType] = {"mlp": mlp, "cnn": cnn}
# What is taken where nobody says otherwise.
USUAL: Mapping[Kind, str] = {"pictures": "cnn", "numbers": "mlp", "table": "mlp"}


def build(text: str, shape: tuple[int, ...], kind: Kind, seed: int) -> keras.Model:
    """A network with fresh weights, from one input to a representation.

    Args:
        text: a name of `TRUNKS` with options after a question mark, `keras:NAME?...`, or `package.module:function`,
            which is called without arguments.
        shape: of one input.
        kind: of data.
        seed: of the weights.

    Raises:
        RequestError: there is no such network or option, or it takes other inputs.
    """
    name, _, query = text.partition("?")
    if name in TRUNKS:
        chosen = TRUNKS[name]
        if kind not in chosen.KINDS:
            fitting = [other for other, module in TRUNKS.items() if kind in module.KINDS]
            raise RequestError(
                f"expected an architecture for {kind}, found '{name}', which is for {', '.join(chosen.KINDS)}; "
                f"there is {', '.join(fitting)}"
            )
        model: keras.Model = chosen.build(shape, of_query(chosen.Options, query, text))
        begin(model, seed)
        return model
    if ":" not in name:
        raise RequestError(
            f"expected an architecture such as {', '.join(TRUNKS)}, keras:NAME or package.module:function, "
            f"found '{text}'{nearest(name, TRUNKS)}"
        )
    if text.startswith(PREFIX) and "input_shape" not in query:
        text += f"{'&' if query else '?'}input_shape={','.join(map(str, shape))}"
    model = architecture.build(text)
    _require_fitting(model, shape, text)
    begin_others(model, seed)
    return model


def _require_fitting(model: keras.Model, shape: tuple[int, ...], text: str) -> None:
    inputs = list(model.inputs or [])
    taken = tuple(inputs[0].shape[1:]) if len(inputs) == 1 else ()
    fits = len(taken) == len(shape) and all(side in (None, own) for side, own in zip(taken, shape, strict=True))
    if not fits or len(model.outputs) != 1:
        raise SourceError(
            f"expected an architecture from one input {shape} to one output, found '{text}', which takes {taken or '?'}"
        )

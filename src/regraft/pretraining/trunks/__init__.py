"""Networks that pretraining can begin with, by name: `mlp?units=500,250`, `cnn?filters=32,64`, and those of others.

Each is a file with `WHAT`, `KINDS`, `Options` and `build`, and stands in `TRUNKS`.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import ModuleType

import keras

from regraft.core.errors import RequestError, SourceError, nearest
from regraft.core.pretraining import Kind
from regraft.importers import architecture
from regraft.importers.keras_applications import PREFIX
from regraft.pretraining.options import of_query
from regraft.pretraining.starting import begin, begin_others
from regraft.pretraining.trunks import cnn, mlp, text_cnn, text_rnn, text_transformer
from regraft.surgery.settling import settle_sooner

TRUNKS: dict[str, ModuleType] = {
    "mlp": mlp,
    "cnn": cnn,
    "text-cnn": text_cnn,
    "text-rnn": text_rnn,
    "text-transformer": text_transformer,
}
# What is taken where nobody says otherwise.
USUAL: Mapping[Kind, str] = {"pictures": "cnn", "numbers": "mlp", "table": "mlp", "text": "text-cnn"}


def own(text: str) -> keras.Model | None:
    """The network of `package.module:function`, which takes what it takes; None for those that are made for the data.

    Raises:
        SourceError: there is no such function, or it returns none.
    """
    return architecture.build(text) if ":" in text and not text.startswith(PREFIX) else None


def build(
    text: str, shape: tuple[int, ...], kind: Kind, seed: int, vocabulary: int = 0, own: keras.Model | None = None
) -> keras.Model:
    """A network with fresh weights, from one input to a representation.

    Args:
        text: a name of `TRUNKS` with options after a question mark, `keras:NAME?...`, or `package.module:function`,
            which is called without arguments.
        shape: of one input.
        kind: of data.
        seed: of the weights.
        vocabulary: of texts, how many ids there are.
        own: what `own` gave for the text, if that was asked before.

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
        said = of_query(chosen.Options, query, text)
        if kind != "text":
            model: keras.Model = chosen.build(shape, said)
            begin(model, seed)
            return model
        model = chosen.build(shape, replace(said, vocabulary=said.vocabulary or vocabulary))
        # Recurrent kernels, embeddings and attention begin as Keras has them.
        begin_others(model, seed)
        return model
    if ":" not in name:
        raise RequestError(
            f"expected an architecture such as {', '.join(TRUNKS)}, keras:NAME or package.module:function, "
            f"found '{text}'{nearest(name, TRUNKS)}"
        )
    if text.startswith(PREFIX) and "input_shape" not in query:
        text += f"{'&' if query else '?'}input_shape={','.join(map(str, shape))}"
    model = own if own is not None else architecture.build(text)
    require_fitting(model, shape, text)
    begin_others(model, seed)
    settle_sooner(model)
    return model


def require_fitting(model: keras.Model, shape: tuple[int, ...], text: str) -> None:
    """Refuse a network that is not from one input of this shape to one output.

    Raises:
        SourceError: it is not; the text says which it is.
    """
    found = taken(model)
    fits = len(found) == len(shape) and all(side in (None, wanted) for side, wanted in zip(found, shape, strict=True))
    if not fits or len(model.outputs) != 1:
        raise SourceError(
            f"expected an architecture from one input {shape} to one output, found '{text}', which takes {found or '?'}"
        )


def taken(model: keras.Model) -> tuple[int | None, ...]:
    """The shape of one input of a network; nothing where it does not take one."""
    inputs = list(model.inputs or [])
    return tuple(inputs[0].shape[1:]) if len(inputs) == 1 else ()

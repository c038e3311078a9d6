"""Masked reconstruction of texts: tokens are taken away, and the network says which of the vocabulary stood there.

As Devlin et al. 2019 have it: of the tokens that are to be guessed, most are replaced by a mask, some by another token
and some by nothing, so that what the network learns is of use where there are no masks.
"""

from typing import Any

import keras
import numpy as np

from regraft.core.errors import RequestError
from regraft.pretraining import losses, places
from regraft.pretraining.corrupting.words import FIRST_WORD, require_known
from regraft.pretraining.heads import dense
from regraft.pretraining.learner import Array, Batch, Learner, Rows, Sample

MASK = 2
# Of the tokens that are to be guessed.
_MASKED, _REPLACED = 0.8, 0.1


def learner(trunk: keras.Model, sample: Sample, part: float, seed: int) -> Learner:
    """The trunk below a layer that gives every token of the vocabulary a logit, at the places that are asked for.

    Args:
        trunk: with a layer that has a row for each token.
        sample: some examples.
        part: of the tokens of a text that are to be guessed.
        seed: of the weights.

    Raises:
        RequestError: the trunk has no row for each token, or no text has a token.
    """
    rows_of_tokens = places.highest(trunk, sample)
    if rows_of_tokens is None:
        raise RequestError(
            f"expected a network with a row for each of {sample.shape[0]} tokens, found none in '{trunk.name}'; take "
            "text-cnn, text-rnn or text-transformer, or the method 'corrupted' with detect=whole"
        )
    require_known(sample.x)
    words = sample.x[sample.x >= FIRST_WORD].astype(np.int64)
    # As many places as the longest text has to guess; what shorter ones do not need counts nothing.
    most = max(1, round(part * int((sample.x != 0).sum(axis=1).max())))
    asked: Any = keras.Input((most,), dtype="int32", name="places")
    ops: Any = keras.ops
    read: Any = ops.take_along_axis(rows_of_tokens, ops.expand_dims(asked, -1), axis=1)
    between = dense(read, int(rows_of_tokens.shape[-1]), "between", seed, activation="gelu")
    model = keras.Model([trunk.input, asked], dense(between, sample.vocabulary, "words", seed), name="masked_words")

    def draw(rows: Rows, indices: Array, random: np.random.Generator, progress: float) -> Batch:
        return hidden(rows.take(indices), part, most, words, random)

    def loss(model: keras.Model, batch: tuple[Any, ...], training: bool) -> Any:
        shown, where, right, counted = batch
        told = model([shown, where], training=training)
        each = ops.sparse_categorical_crossentropy(ops.cast(right, "int32"), told, from_logits=True)
        return ops.sum(each * counted) / ops.maximum(ops.sum(counted), 1.0)

    return Learner(model=model, trunk=trunk, draw=draw, loss=loss, measures={"guessed": _guessed})


def hidden(x: Array, part: float, most: int, words: Array, random: np.random.Generator) -> Batch:
    """Texts with tokens taken away; and where, which they were and whether they count, (n, most) each.

    Args:
        x: ids (n, length), 0 after the end of a text.
        part: of each text's tokens; at least one.
        most: places for each text.
        words: what replaces tokens is drawn from these.
        random: where chance comes from.
    """
    present = x != 0
    order = np.argsort(np.where(present, random.random(x.shape), 2.0), axis=1)[:, :most]
    length = present.sum(axis=1)
    wanted = np.minimum(np.maximum(np.rint(part * length), 1), length)
    counted = np.arange(order.shape[1])[None] < wanted[:, None]
    right = np.take_along_axis(x, order, axis=1)
    chance = random.random(order.shape)
    others = words[random.integers(0, len(words), order.shape)]
    instead = np.where(chance < _MASKED, MASK, np.where(chance < _MASKED + _REPLACED, others, right))
    shown = x.copy()
    np.put_along_axis(shown, order, np.where(counted, instead, right).astype(x.dtype), axis=1)
    return shown, order.astype(np.int32), right.astype(np.float32), counted.astype(np.float32)


def _guessed(model: Any, batch: tuple[Any, ...]) -> Any:
    """The share of tokens that are guessed."""
    ops: Any = keras.ops
    shown, where, right, counted = batch
    told = ops.argmax(model([shown, where], training=False), axis=-1)
    return losses.mean_where(ops.cast(told == ops.cast(right, told.dtype), "float32"), counted)

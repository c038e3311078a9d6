"""What holds for every network for texts: it can be cut anywhere, and what a text is filled up with does not matter."""

from pathlib import Path
from types import ModuleType

import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import RequestError
from regraft.graph import names
from regraft.pretraining.trunks import text_cnn, text_rnn, text_transformer
from regraft.pretraining.trunks.texts import TEXT, TOKENS

TRUNKS = [text_cnn, text_rnn, text_transformer]
WORDS, LENGTH = 40, 10
# Relative to the largest value: other shapes are summed in another order.
ROUNDING = 2e-6


def built(kind: ModuleType, length: int = LENGTH) -> keras.Model:
    small = {"width": 8, "layers": 2}
    return kind.build((length,), kind.Options(vocabulary=WORDS, **small))


def texts(length: int = LENGTH) -> np.ndarray:
    ids = np.random.default_rng(0).integers(1, WORDS, (6, length)).astype(np.float32)
    for row, end in enumerate((1, 3, 4, 6, 6, 0)):
        ids[row, end:] = 0
    return ids


@pytest.mark.parametrize("kind", TRUNKS)
def test_filling_up_further_changes_nothing(kind: ModuleType) -> None:
    long, short = built(kind), built(kind, 6)
    own = names.variables(short)
    for name, variable in names.variables(long).items():
        value = np.asarray(keras.ops.convert_to_numpy(variable))
        own[name].assign(value[: own[name].shape[0]])
    ids = texts()
    whole = np.asarray(long(ids))
    np.testing.assert_allclose(np.asarray(short(ids[:, :6])), whole, rtol=0, atol=ROUNDING * np.abs(whole).max())
    # A text of other tokens is another one, at whatever place.
    changed = ids.copy()
    changed[3, 5] = 1 + changed[3, 5] % (WORDS - 1)
    differs = np.abs(np.asarray(long(changed)) - whole).max(axis=1)
    assert differs[3] > 1e-4
    assert differs[[0, 1, 2, 4, 5]].max() == 0
    assert np.isfinite(whole).all()


@pytest.mark.parametrize("kind", TRUNKS)
def test_it_can_be_cut_between_its_parts(kind: ModuleType) -> None:
    model, ids = built(kind), texts()
    points = {point.name: point for point in regraft.cut_points(model)}
    assert {"embedded", "layer1", TOKENS, TEXT} <= set(points)
    assert points[TOKENS].shape[0] == LENGTH
    whole = np.asarray(model(ids))
    for name in list(points)[:-1]:
        trunk, rest = regraft.cut(model, name)
        np.testing.assert_allclose(np.asarray(rest(trunk(ids))), whole, rtol=0, atol=ROUNDING * np.abs(whole).max())


@pytest.mark.parametrize("kind", TRUNKS)
def test_it_is_made_of_keras_own_layers(kind: ModuleType, tmp_path: Path) -> None:
    model, ids = built(kind), texts()
    model.save(tmp_path / "m.keras")
    opened = regraft.open(tmp_path / "m.keras")
    np.testing.assert_array_equal(np.asarray(opened.model(ids)), np.asarray(model(ids)))
    assert opened.inputs.shape == (LENGTH,)


def test_what_no_network_can_have() -> None:
    with pytest.raises(RequestError, match="expected a vocabulary of 2 ids or more, found 0; say vocabulary=N"):
        text_cnn.build((4,), text_cnn.Options())
    with pytest.raises(
        RequestError, match=r"expected texts as rows of ids \(tokens,\), found inputs of shape \(4, 2\)"
    ):
        text_rnn.build((4, 2), text_rnn.Options(vocabulary=9))
    with pytest.raises(RequestError, match="expected a width that 4 heads can share, found 6"):
        text_transformer.Options(width=6)
    with pytest.raises(RequestError, match=r"expected windows of 1 token or more, found \(\)"):
        text_cnn.Options(windows=())
    with pytest.raises(RequestError, match="expected units of 1 or more, found 0"):
        text_rnn.Options(units=0)

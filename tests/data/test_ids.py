import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core import digest
from regraft.core.errors import DataError
from regraft.data import ids as ids_
from regraft.data.ids import Ids, among

TEXTS = [digest.of_strings([str(number)]) for number in range(5000)]


def test_they_are_read_as_a_tuple_of_strings_would_be() -> None:
    ids, texts = Ids.of(TEXTS), tuple(TEXTS)
    assert len(ids) == len(texts)
    assert tuple(ids) == texts
    assert ids == texts
    assert ids != texts[:-1]
    assert ids != (*texts[:-1], texts[0])
    assert ids == Ids.of(texts)
    assert (ids[3], ids[-1], ids[np.int64(7)]) == (texts[3], texts[-1], texts[7])
    assert ids[10:20] == texts[10:20]
    assert ids.take(np.array([7, 7, 0])) == [texts[7], texts[7], texts[0]]
    assert texts[4321] in ids
    assert digest.of_strings(["other"]) not in ids
    assert "rose.png" not in ids
    assert ids.index(texts[4321]) == 4321
    assert ids.index(texts[4321], 4000) == 4321
    with pytest.raises(ValueError, match=f"'{texts[0]}' is none of 5000 ids"):
        ids.index(texts[0], 1)
    with pytest.raises(IndexError):
        ids[5000]
    assert list(reversed(ids)) == list(reversed(texts))
    assert pickle.loads(pickle.dumps(ids)) == texts


def test_what_is_no_digest_is_refused() -> None:
    with pytest.raises(DataError, match=r"expected a digest of 32 hexadecimal digits as an id, found 'rose\.png'"):
        Ids.of(["rose.png"])
    with pytest.raises(DataError, match="found 'abcd'"):
        Ids.of(["abcd"])


def test_a_digest_takes_sixteen_bytes() -> None:
    assert Ids.of(TEXTS).digests.nbytes == 16 * len(TEXTS)


def test_of_arrays_all_at_once() -> None:
    x = np.arange(24, dtype=np.float32).reshape(4, 2, 3)
    assert Ids(digest.of_rows(x)) == [digest.of_array(row) for row in x]


# Halves of few values, so that ids share their first half, or their second, or both.
halves = st.sampled_from(["00" * 8, "7f" * 8, "ff" * 8])
alike = st.lists(st.tuples(halves, halves).map("".join), max_size=40)


@given(alike)
def test_repeats_are_those_that_were_there_before(texts: list[str]) -> None:
    expected = sorted((texts.index(text), index) for index, text in enumerate(texts) if texts.index(text) < index)
    again, first = Ids.of(texts).repeats()
    assert list(zip(first.tolist(), again.tolist(), strict=True)) == expected


@given(alike, st.integers(0, 3))
def test_they_are_sorted_as_their_texts_are(texts: list[str], turn: int) -> None:
    numbers = [(index * 7 + turn) % 3 for index in range(len(texts))]
    made = list(Ids.of(texts).sorted_with(np.array(numbers, np.int64)))
    assert made == sorted(zip(texts, numbers, strict=True))


@given(st.lists(st.integers(0, 9)), st.sets(st.integers(0, 9), min_size=1))
def test_among(values: list[int], wanted: set[int]) -> None:
    found = among(np.array(values, np.int64), np.array(sorted(wanted)))
    assert found.tolist() == [index for index, value in enumerate(values) if value in wanted]


def test_blocks_hide_no_equals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ids_, "_COMPARED", 3)
    texts = [TEXTS[index * index % 11] for index in range(50)]
    numbers = np.arange(50)[::-1] % 7
    assert list(Ids.of(texts).sorted_with(numbers)) == sorted(zip(texts, numbers.tolist(), strict=True))
    again, first = Ids.of(texts).repeats()
    expected = sorted((texts.index(text), index) for index, text in enumerate(texts) if texts.index(text) < index)
    assert list(zip(first.tolist(), again.tolist(), strict=True)) == expected

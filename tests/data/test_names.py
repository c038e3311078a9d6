import os
import pickle

import numpy as np
import pytest

from regraft.data.files import Shown
from regraft.data.names import Names, Numbered, Texts, rows_of

WORDS = ["a.png", "", "Gänseblümchen ☀.png", os.fsdecode(b"\xff\xfe.png"), "b.png"]


def test_numbered_names_count_within_their_parts() -> None:
    names = Numbered.of([("train ", 2), ("validation ", 0), ("test ", 1)])
    assert list(names) == ["train index 0", "train index 1", "test index 0"]
    assert names[-1] == "test index 0"
    with pytest.raises(IndexError):
        names[3]


def test_texts_are_kept_as_they_are() -> None:
    texts = Texts(WORDS)
    assert list(texts) == WORDS
    assert list(pickle.loads(pickle.dumps(texts))) == WORDS
    assert "b.png" in texts
    assert texts.index("b.png") == 4
    assert list(Shown(texts)) == [*WORDS[:3], "��.png", "b.png"]


def test_texts_beyond_four_gigabytes() -> None:
    texts = Texts(["a"])

    class Long(bytearray):
        def __len__(self) -> int:
            return 2**32 + super().__len__()

    texts._buffer = Long(texts._buffer)
    texts.append("b")
    assert texts._ends.itemsize == 8
    assert list(texts._ends) == [1, 2**32 + 2]


@pytest.mark.parametrize(
    "source", [WORDS, tuple(WORDS), Texts(WORDS), Names(WORDS)], ids=["list", "tuple", "texts", "names"]
)
def test_some_of_them(source: object) -> None:
    names = Names.of(source)
    assert names == WORDS
    assert names[1:3] == WORDS[1:3]
    assert names[::-2] == WORDS[::-2]
    taken = names.take([4, 0, 2]).take(np.array([2, -3]))
    assert taken == [WORDS[2], WORDS[4]]
    assert taken != [WORDS[2]]
    assert len(taken) == 2
    assert taken.rows is not None
    assert taken.rows.nbytes == 8
    with pytest.raises(IndexError, match="expected indices of 2 examples, found 0 to 2"):
        taken.take([0, 2])


def test_rows_are_small_numbers() -> None:
    assert rows_of([], 5).tolist() == []
    assert rows_of(range(3), 5).dtype == np.uint32
    assert rows_of([-1], 2**33).tolist() == [2**33 - 1]

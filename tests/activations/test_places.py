"""The index from ids to rows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.activations import places
from regraft.core import digest
from regraft.core import lookup as lookup_
from regraft.core.lookup import Lookup


def _index(*parts: list[str]) -> Lookup:
    starts = np.cumsum([0, *map(len, parts)]).tolist()
    return places.index([(start, places.numbers_of(part)) for start, part in zip(starts, parts, strict=False)])


def test_ids_are_found_where_they_are_and_others_are_not() -> None:
    ids = [digest.of_strings([str(number)]) for number in range(1000)]
    index = _index(ids[:300], [], ids[300:])
    order = np.random.default_rng(0).permutation(1000)
    assert np.array_equal(index.find(places.numbers_of([ids[number] for number in order])), order)
    assert index.find(places.numbers_of(["no", "", ids[4][:-1], ids[4].upper(), ids[7]])).tolist() == [-1] * 4 + [7]
    assert len(index) == 1000
    assert _index().find(places.numbers_of(ids[:2])).tolist() == [-1, -1]


@given(st.data())
def test_it_is_a_dictionary_even_where_halves_of_ids_are_the_same(data: st.DataObject) -> None:
    # Sixteen ids that share halves, in files with repetitions; the first row of an id is the one that counts.
    half = st.sampled_from([0, 1, 2**63, 2**64 - 1])
    ids = st.lists(st.tuples(half, half), max_size=6)
    files = data.draw(st.lists(ids, max_size=5))
    wanted: dict[tuple[int, int], int] = {}
    parts = []
    start = 0
    for file in files:
        for number, pair in enumerate(file):
            wanted.setdefault(pair, start + number)
        parts.append((start, np.array(file, "<u8").reshape(-1, 2)))
        start += len(file)
    index = places.index(parts)
    asked = data.draw(ids)
    found = index.find(np.array(asked, "<u8").reshape(-1, 2)).tolist()
    assert found == [wanted.get(pair, -1) for pair in asked]
    assert len(index) == len(wanted)


def test_many_are_looked_up_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = [digest.of_strings([str(number)]) for number in range(100)]
    monkeypatch.setattr(places, "_BLOCK", 7)
    monkeypatch.setattr(lookup_, "_BLOCK", 5)
    index = _index(ids)
    assert index.find(places.numbers_of([*ids[::-1], "none"])).tolist() == [*range(99, -1, -1), -1]


def test_keys_that_hold_the_same_share_one_index_however_their_files_are_cut() -> None:
    ids = [digest.of_strings([str(number)]) for number in range(90)]
    one = _index(ids[:30], ids[30:])
    assert _index(ids[:60], ids[60:]) is one
    assert _index(ids[30:], ids[:30]) is not one
    # A file is missing between them: other rows.
    gap = places.index([(0, places.numbers_of(ids[:30])), (40, places.numbers_of(ids[30:]))])
    assert gap is not one
    assert gap.find(places.numbers_of([ids[30]])).tolist() == [40]


def test_any_text_is_an_id_and_no_two_are_the_same() -> None:
    plain = "0123456789abcdef" * 2
    texts = [plain, plain.upper(), plain[:-1], " " + plain[1:], plain[:-2] + "  ", "", "x", "\udcff", "é" * 32]
    numbers = places.numbers_of(texts)
    assert len(np.unique(numbers, axis=0)) == len(texts)
    assert numbers[0].tobytes() == bytes.fromhex(plain)
    assert np.array_equal(numbers, np.concatenate([places.numbers_of([text]) for text in texts]))


def test_ids_that_are_bytes_already_are_taken_as_they_are() -> None:
    class Ids(list[str]):
        digests = np.arange(32, dtype=np.uint8).reshape(2, 16)

    texts = [row.tobytes().hex() for row in Ids.digests]
    assert np.array_equal(places.numbers_of(Ids()), places.numbers_of(texts))

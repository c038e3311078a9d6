import json

import numpy as np
import pytest

from regraft.core import plain, text_spec
from regraft.core.errors import RequestError
from regraft.core.text_spec import NONE, TextSpec

TEXTS = ["the cat sat.", "The cat ran!", "a dog sat"]


def test_words_are_ranked_by_how_often_they_are_there() -> None:
    spec = text_spec.learn(TEXTS)
    # Twice each: cat, sat, the; what is there once is not learnt.
    assert spec.tokens == ("[PAD]", "[UNK]", "[MASK]", "cat", "sat", "the")
    np.testing.assert_array_equal(spec.ids(["The CAT flew", ""], 4), [[5, 3, 1, 0], [0, 0, 0, 0]])
    assert spec.ids(["The CAT flew"], 2).tolist() == [[5, 3]]
    assert spec.told([5, 3, 1, 0]) == "the cat [UNK]"


def test_characters_keep_their_capitals() -> None:
    spec = text_spec.learn(["aB", "aB "], "characters")
    assert spec.tokens[3:] == ("B", "a")
    assert not spec.lower
    assert spec.ids(["Ba b"], 5).tolist() == [[3, 4, 1, 1, 0]]


def test_a_word_that_is_called_as_what_is_reserved_is_no_padding() -> None:
    spec = text_spec.learn(["[PAD] [PAD]", "pad pad"], "characters", least=1)
    assert spec.ids(["["], 1)[0, 0] not in spec.reserved
    words = TextSpec("words", ("[PAD]", "[UNK]", "[MASK]", "x"))
    assert text_spec.encoder(words)("x mask") == [3, 1]


def test_composed_and_decomposed_letters_are_the_same() -> None:
    spec = text_spec.learn(["caf\u00e9 caf\u00e9"])
    assert spec.ids(["cafe\u0301"], 1).tolist() == [[3]]


def test_the_rarest_are_left_out() -> None:
    assert text_spec.learn(["b b b a a c c"], most=5).tokens[3:] == ("b", "a")
    with pytest.raises(RequestError, match=r"a vocabulary of more than the 3 ids that are reserved, found 3"):
        text_spec.learn(TEXTS, most=3)
    with pytest.raises(RequestError, match=r"tokens that are characters, words, subwords, found 'word'; .* words"):
        text_spec.learn(TEXTS, "word")  # pyright: ignore[reportArgumentType]


def test_subwords_are_the_library_s_and_travel_as_text() -> None:
    pytest.importorskip("tokenizers")
    texts = ["lower lowest low", "newer newest new"] * 10
    spec = text_spec.learn(texts, "subwords", most=60)
    assert spec.reserved == (0, 1, 2)
    assert 3 < spec.size <= 60
    again = plain.from_plain(TextSpec, json.loads(plain.to_json(spec)))
    assert again == spec
    ids = again.ids(["Lower newest"], 16)
    assert again.told(ids[0]) == "lower newest"
    assert (ids == text_spec.learn(texts, "subwords", most=60).ids(["Lower newest"], 16)).all()
    with pytest.raises(RequestError, match=r"'it.json' is no file of the tokenizers library"):
        text_spec.read_vocabulary('{"model": 1}', "it.json")


def test_without_the_library_subwords_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(RequestError, match=r"pip install 'regraft\[text\]', or take words"):
        text_spec.learn(TEXTS, "subwords")


@pytest.mark.parametrize(
    ("content", "tokens", "unknown"),
    [
        ("[PAD]\n[UNK]\na\nb\n", ("[PAD]", "[UNK]", "a", "b"), 1),
        ('["", "[UNK]", "a"]', ("", "[UNK]", "a"), 1),
        ('{"a": 1, "b": 3}', ("", "a", "", "b"), NONE),
    ],
)
def test_vocabularies_of_others(content: str, tokens: tuple[str, ...], unknown: int) -> None:
    spec = text_spec.read_vocabulary(content, "v")
    assert (spec.tokens, spec.padding, spec.unknown, spec.mask) == (tokens, 0, unknown, NONE)
    known = tokens.index("a")
    assert spec.ids(["a z a"], 3).tolist() == [[known, 1, known] if unknown != NONE else [known, known, 0]]


def test_files_that_are_no_vocabulary() -> None:
    with pytest.raises(RequestError, match=r"'v' is not JSON"):
        text_spec.read_vocabulary("{", "v")
    with pytest.raises(RequestError, match=r"expected tokens in 'v': one a line, a JSON list"):
        text_spec.read_vocabulary("[1, 2]", "v")
    with pytest.raises(RequestError, match=r"'v' gives 1 tokens ids up to 9999"):
        text_spec.read_vocabulary('{"a": 9999}', "v")
    with pytest.raises(RequestError, match=r"expected the id for unknown below 1, found 1"):
        TextSpec("words", ("a",), mask=NONE)


def test_texts_can_be_filled_up_at_their_beginning() -> None:
    spec = TextSpec("words", ("[PAD]", "[UNK]", "[MASK]", "a", "b"), at_end=False)
    assert spec.ids(["a b", "a b b"], 3).tolist() == [[0, 3, 4], [3, 4, 4]]
    assert spec.ids(["a b b"], 2).tolist() == [[4, 4]]


def test_the_length_covers_nearly_all_and_has_a_limit() -> None:
    assert text_spec.length_for([10] * 99 + [500], "words") == 16
    assert text_spec.length_for([5000] * 10, "words") == text_spec.LONGEST["words"]
    assert text_spec.length_for([], "words") == 8

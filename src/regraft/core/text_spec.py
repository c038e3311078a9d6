"""How a text becomes the ids of its tokens: characters, words, or parts of words."""

import functools
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from regraft.core.errors import RequestError, nearest

Array = np.ndarray[Any, Any]
Unit = Literal["characters", "words", "subwords"]
Encoder = Callable[[str], list[int]]

UNITS: tuple[Unit, ...] = get_args(Unit)
PADDING, UNKNOWN, MASK = range(3)
# In place of an id that a vocabulary does not have; nothing that TOML would leave out.
NONE = -1
SPECIAL = ("[PAD]", "[UNK]", "[MASK]")
# A word, with what an apostrophe ties to it, or a single mark; numbers are words.
_WORD = re.compile(r"\w+(?:['\u2019]\w+)*|[^\w\s]")
# How many different tokens are worth a row of an embedding, unless told otherwise.
MOST = {"characters": 1_000, "words": 10_000, "subwords": 4_000}
# Texts are seen up to so many tokens, unless told otherwise; most are shorter.
LONGEST = {"characters": 512, "words": 128, "subwords": 160}
_COVERED = 0.98
# Where a token is seen once only, the place of unknown ones is trained by it.
_OFTEN_ENOUGH = 2


@dataclass(frozen=True, slots=True)
class TextSpec:
    """The vocabulary that travels with the weights.

    Attributes:
        unit: what a token is. `words` are runs of letters and digits, and every other mark by itself.
        tokens: the token of each id. Of vocabularies that are learnt here 0 is padding, 1 what is not known, 2 a mask
            for pretraining. Empty for `subwords`.
        lower: whether capitals are read as small letters.
        padding: the id that fills a text up.
        unknown: the id of tokens that are not known; `NONE`: they are left out.
        mask: the id that stands in place of a token that is to be guessed; `NONE`: there is none.
        at_end: whether texts are filled up at their end, and cut there where they are too long; else at the beginning.
        tokenizer: for `subwords`, the JSON of the `tokenizers` library.
    """

    unit: Unit = "words"
    tokens: tuple[str, ...] = ()
    lower: bool = True
    padding: int = PADDING
    unknown: int = UNKNOWN
    mask: int = MASK
    at_end: bool = True
    tokenizer: str = ""

    def __post_init__(self) -> None:
        """Refuse a vocabulary that has no place for what it names."""
        # What a tokenizer knows is looked at where it is used: reading it takes a library.
        here = bool(self.tokens) and self.unit != "subwords"
        known = f"the vocabulary knows {self.size} tokens" if here else ""
        for name, value in (("padding", self.padding), ("unknown", self.unknown), ("mask", self.mask)):
            if known and value != NONE and not 0 <= value < self.size:
                raise RequestError(f"expected the id for {name} below {self.size}, found {value}; {known}")

    @property
    def size(self) -> int:
        """How many different ids there are."""
        return len(self.tokens) if self.unit != "subwords" else _tokenizer(self.tokenizer).get_vocab_size()

    @property
    def reserved(self) -> tuple[int, ...]:
        """The ids that are no token of any text."""
        return tuple(dict.fromkeys(id_ for id_ in (self.padding, self.unknown, self.mask) if id_ != NONE))

    def ids(self, texts: Iterable[str], length: int) -> Array:
        """The ids of texts, int32 (n, length): filled up, or cut, to one length.

        >>> spec = learn(["a cat", "a dog a cat"], "words", least=1)
        >>> spec.ids(["a cat", "A bird!"], 4)
        array([[3, 4, 0, 0],
               [3, 1, 1, 0]], dtype=int32)
        """
        encode = encoder(self)
        return np.stack([fitted(self, encode(text), length) for text in texts])

    def told(self, ids: Iterable[int]) -> str:
        """The tokens of ids again, for people; padding is left out."""
        kept = [int(id_) for id_ in ids if int(id_) != self.padding]
        if self.unit == "subwords":
            return _tokenizer(self.tokenizer).decode(kept, skip_special_tokens=False)
        return ("" if self.unit == "characters" else " ").join(self.tokens[id_] for id_ in kept)


def split(text: str, unit: Unit, lower: bool = True) -> list[str]:
    """The tokens of a text, for characters and words.

    >>> split("Don't  stop!", "words")
    ["don't", 'stop', '!']
    """
    text = unicodedata.normalize("NFC", text)
    text = text.lower() if lower else text
    return list(text) if unit == "characters" else _WORD.findall(text)


def encoder(spec: TextSpec) -> Encoder:
    """What gives the ids of a whole text, however long it is.

    Raises:
        RequestError: sub-words are wanted, and the `tokenizers` library is not installed.
    """
    if spec.unit == "subwords":
        machine = _tokenizer(spec.tokenizer)
        return lambda text: machine.encode(text, add_special_tokens=False).ids
    places = {token: place for place, token in enumerate(spec.tokens) if place not in spec.reserved}
    unit, lower, unknown = spec.unit, spec.lower, spec.unknown
    if unknown == NONE:
        return lambda text: [places[token] for token in split(text, unit, lower) if token in places]
    return lambda text: [places.get(token, unknown) for token in split(text, unit, lower)]


def fitted(spec: TextSpec, ids: list[int], length: int) -> Array:
    """Ids brought to one length, int32 (length,)."""
    row = np.full(length, spec.padding, np.int32)
    kept = ids[:length] if spec.at_end else ids[max(0, len(ids) - length) :]
    row[: len(kept)] = kept
    return row if spec.at_end else np.roll(row, length - len(kept))


def learn(
    texts: Iterable[str], unit: Unit = "words", most: int | None = None, lower: bool | None = None, least: int = 2
) -> TextSpec:
    """The vocabulary of texts: the most frequent tokens, of equally frequent ones the first in the alphabet.

    Args:
        texts: to learn from: training examples only.
        unit: what a token is.
        most: how many ids at most, with the three that are reserved; None: as `MOST` says.
        lower: None: for words and sub-words.
        least: how often a token must be there; what is there once may be a name or a mistake.

    Raises:
        RequestError: the unit is unknown, or `tokenizers` is needed and not installed.
    """
    if unit not in UNITS:
        raise RequestError(f"expected tokens that are {', '.join(UNITS)}, found '{unit}'{nearest(unit, UNITS)}")
    most = MOST[unit] if most is None else most
    lower = unit != "characters" if lower is None else lower
    if most <= len(SPECIAL):
        raise RequestError(f"expected a vocabulary of more than the {len(SPECIAL)} ids that are reserved, found {most}")
    if unit == "subwords":
        return TextSpec("subwords", lower=lower, tokenizer=_trained(texts, most, lower))
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(split(text, unit, lower))
    often = [token for token, count in counts.items() if count >= least]
    ranked = sorted(often, key=lambda token: (-counts[token], token))[: most - len(SPECIAL)]
    return TextSpec(unit, (*SPECIAL, *ranked), lower)


def length_for(lengths: Iterable[int], unit: Unit) -> int:
    """How many tokens of each text to see: all of nearly all texts, as far as that is affordable.

    >>> length_for([3, 5, 9], "words")
    16
    """
    found = np.sort(np.fromiter(lengths, np.int64))
    if not len(found):
        return 8
    covered = int(found[min(len(found) - 1, int(_COVERED * len(found)))])
    return min(in_eights(max(covered, 1)), LONGEST[unit])


def in_eights(length: int) -> int:
    """A length, or a little more: layers that halve their input twice lose nothing of it."""
    return -(-length // 8) * 8


def read_vocabulary(content: str, name: str, unit: Unit = "words", lower: bool = True) -> TextSpec:
    """The vocabulary of a network that was trained elsewhere, from the text of a file.

    Args:
        content: one token a line, the line is its id; or JSON: a list of tokens, a table from token to id, or what the
            `tokenizers` library writes.
        name: of the file, for messages.
        unit: what a token is, unless the file says so.
        lower: whether capitals are read as small letters.

    Raises:
        RequestError: it is none of these.
    """
    first = content.split("\n", 1)[0].strip()
    if first[:1] not in ("{", "[") or first in (*_PADDINGS, *_UNKNOWNS, *_MASKS):
        return _of_tokens([line.rstrip("\r") for line in content.rstrip("\n").split("\n")], unit, lower)
    try:
        found: Any = json.loads(content)
    except ValueError as error:
        raise RequestError(f"'{name}' is not JSON: {error}") from None
    if isinstance(found, dict) and "model" in found:
        return _of_tokenizer(content, name)
    if isinstance(found, dict) and found and all(isinstance(value, int) and value >= 0 for value in found.values()):
        size = max(found.values()) + 1
        if size > 4 * len(found) + 16:
            raise RequestError(
                f"'{name}' gives {len(found)} tokens ids up to {size - 1}: expected nearly one after the other"
            )
        tokens = [""] * size
        for token, place in found.items():
            tokens[place] = str(token)
        return _of_tokens(tokens, unit, lower)
    if isinstance(found, list) and found and all(isinstance(token, str) for token in found):
        return _of_tokens(found, unit, lower)
    raise RequestError(
        f"expected tokens in '{name}': one a line, a JSON list of them, a table from token to id, or a tokenizer.json"
    )


_PADDINGS, _UNKNOWNS, _MASKS = (
    ("", "[pad]", "<pad>", "[PAD]", "<PAD>"),
    ("[unk]", "<unk>", "[UNK]", "<UNK>", "<oov>", "<OOV>"),
    ("[mask]", "<mask>", "[MASK]", "<MASK>"),
)


def _of_tokens(tokens: list[str], unit: Unit, lower: bool) -> TextSpec:
    def place(names: tuple[str, ...]) -> int:
        return next((tokens.index(name) for name in names if name in tokens), NONE)

    lower = lower and not any(
        token != token.lower() for token in tokens if token not in (*_UNKNOWNS, *_MASKS, *_PADDINGS)
    )
    return TextSpec(unit, tuple(tokens), lower, max(0, place(_PADDINGS)), place(_UNKNOWNS), place(_MASKS))


def _of_tokenizer(content: str, name: str) -> TextSpec:
    machine = _tokenizer(content, name)

    def place(names: tuple[str, ...]) -> int:
        return next((id_ for token in names if (id_ := machine.token_to_id(token)) is not None), NONE)

    return TextSpec(
        "subwords", (), False, max(0, place(_PADDINGS[1:])), place(_UNKNOWNS), place(_MASKS), tokenizer=content
    )


def with_size(spec: TextSpec, most: int) -> TextSpec:
    """The vocabulary with its rarest tokens left out, so that there are at most so many ids."""
    return replace(spec, tokens=spec.tokens[:most]) if spec.unit != "subwords" and spec.size > most else spec


def _require_tokenizers() -> Any:
    try:
        import tokenizers
    except ImportError:
        raise RequestError(
            "sub-words need the package tokenizers; install it with: pip install 'regraft[text]', or take words"
        ) from None
    return tokenizers


@functools.lru_cache(maxsize=8)
def _tokenizer(content: str, name: str = "the tokenizer") -> Any:
    tokenizers = _require_tokenizers()
    try:
        machine = tokenizers.Tokenizer.from_str(content)
    # The library raises a bare Exception for everything that is wrong with its file.
    except Exception as error:
        raise RequestError(f"'{name}' is no file of the tokenizers library: {error}") from None
    machine.no_padding()
    machine.no_truncation()
    return machine


def _trained(texts: Iterable[str], most: int, lower: bool) -> str:
    tokenizers = _require_tokenizers()
    machine = tokenizers.Tokenizer(tokenizers.models.BPE(unk_token=SPECIAL[UNKNOWN]))
    steps = [tokenizers.normalizers.NFC(), *([tokenizers.normalizers.Lowercase()] if lower else [])]
    machine.normalizer = tokenizers.normalizers.Sequence(steps)
    machine.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    machine.decoder = tokenizers.decoders.Metaspace()
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=most, special_tokens=list(SPECIAL), show_progress=False, min_frequency=_OFTEN_ENOUGH
    )
    machine.train_from_iterator(texts, trainer)
    return machine.to_str()

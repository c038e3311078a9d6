"""Which examples are for training, for choices, and for the final figure: decided by their content.

An example's place is a number in [0, 1) made from its content's digest: below `test` it is for the test, below
`test + validation` for validation, else for training. So adding files moves no file, and identical content is always
on one side, whatever the files are called.
"""

import binascii
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, SupportsIndex, overload

import numpy as np

from regraft.core import digest
from regraft.core.plan import SplitSpec
from regraft.data.ids import SIZE, Ids, among
from regraft.data.portions import looked_up, portions

Array = np.ndarray[Any, Any]

SPLITS = ("train", "validation", "test")
NOT_STATED = 255

_TRAIN, _VALIDATION, _TEST = range(3)
_BEGUN = hashlib.blake2b(b"split ", digest_size=8)
_BLOCK = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Splits(Sequence[str]):
    """The split of each example, in a byte each; compared with a name as an array of strings would be.

    Attributes:
        codes: uint8 (n,), places in `SPLITS`.

    >>> splits = Splits.of(["train", "test", "train"])
    >>> splits == "train", splits[1], splits[[1, 2]].tolist()
    (array([ True, False,  True]), 'test', ['test', 'train'])
    """

    codes: Array

    @classmethod
    def of(cls, names: Iterable[str]) -> "Splits":
        """From their names."""
        return cls(stated(names))

    def __len__(self) -> int:
        """How many there are."""
        return len(self.codes)

    @overload
    def __getitem__(self, index: SupportsIndex) -> str: ...
    @overload
    def __getitem__(self, index: slice | Array | Sequence[int]) -> "Splits": ...
    def __getitem__(self, index: Any) -> "str | Splits":
        """One as its name; or some, by a slice, indices, or a mask (n,)."""
        chosen = self.codes[index]
        return SPLITS[chosen] if np.ndim(chosen) == 0 else Splits(chosen)

    def __iter__(self) -> Iterator[str]:
        """All, as names."""
        return (SPLITS[code] for code in self.codes)

    def __eq__(self, other: object) -> Any:
        """Bool (n,): which are the split of a name, or the same as others, one by one."""
        if isinstance(other, str):
            return self.codes == (SPLITS.index(other) if other in SPLITS else NOT_STATED)
        return self.codes == other.codes if isinstance(other, Splits) else np.asarray(self) == other

    def __ne__(self, other: object) -> Any:
        """The opposite of `==`."""
        return ~(self == other)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        """An array of strings, 40 bytes each."""
        return np.array(SPLITS, dtype)[self.codes]

    def tolist(self) -> list[str]:
        """The names."""
        return list(self)


def stated(words: Iterable[str | None]) -> Array:
    """What an input states, uint8 (n,): places in `SPLITS`, or `NOT_STATED` for None."""
    codes = {None: NOT_STATED, **{name: code for code, name in enumerate(SPLITS)}}
    return np.fromiter((codes[word] for word in words), np.uint8)


def place(id_: str) -> float:
    """The number in [0, 1) that decides for a digest; 52 bits, so that the float is exact.

    >>> place("a") == place("a") and 0 <= place("a") < 1
    True
    """
    state = _BEGUN.copy()
    state.update(id_.encode())
    return int(state.hexdigest()[:13], 16) / 2**52


def places(ids: Ids) -> Array:
    """The place of each, float64 (n,)."""
    made = np.empty(len(ids), np.float64)
    for start in range(0, len(ids), _BLOCK):
        text = binascii.hexlify(ids.digests[start : start + _BLOCK].tobytes())
        hashed = digest.of_each(_BEGUN, np.frombuffer(text, np.uint8).reshape(-1, 2 * SIZE))
        made[start : start + _BLOCK] = (hashed.view(">u8")[:, 0] >> 12) / 2**52
    return made


def divide(ids: Ids, labels: Array, stated: Array, spec: SplitSpec) -> Splits:
    """The split of every example.

    Where nothing is stated, content decides, except that a class left without a training example gets those of its
    examples back whose place is highest (identical ones together; later, when other files have given the class a
    training example, they return to where their content puts them).

    Where something is stated, it is kept. Examples without a statement count as training examples then. Where no
    validation examples are stated, those of the training examples become validation whose place is below
    `validation / (1 - test)`: the same proportion of validation to training as without a statement. No test is made up.

    Args:
        ids: digests of contents.
        labels: (n,) classes.
        stated: for each, as `stated` gives it.
        spec: the parts.
    """
    free = stated == NOT_STATED
    if not free.all() and (stated == _VALIDATION).any():
        return Splits(np.where(free, np.uint8(_TRAIN), stated))
    if free.all():
        below = {_VALIDATION: spec.test + spec.validation, _TEST: spec.test}
        movable = free
    else:
        below = {_VALIDATION: spec.validation / (1 - spec.test)}
        movable = free | (stated == _TRAIN)
    codes = np.where(movable, np.uint8(_TRAIN), stated)
    for part in portions(len(ids)):
        where, some = places(ids[part]), codes[part]
        for code, end in below.items():
            some[movable[part] & (where < end)] = code
    return Splits(_with_training(codes, ids, labels, movable))


def classes_of(labels: Array, chosen: Array, count: int) -> Array:
    """Which of so many classes some of the chosen examples are of, bool (count,).

    Args:
        labels: (n,) classes.
        chosen: bool (n,).
        count: of classes.
    """
    found = np.zeros(count, bool)
    for part in portions(len(labels)):
        found[labels[part][chosen[part]]] = True
    return found


def _with_training(codes: Array, ids: Ids, labels: Array, movable: Array) -> Array:
    trains = classes_of(labels, codes == _TRAIN, int(np.max(labels, initial=-1)) + 1)
    lacks = movable & ~looked_up(trains, labels)
    if not lacks.any():
        return codes
    lacking, where = np.flatnonzero(lacks), places(ids)
    # Class by class, the highest place first, and of equal ones the first.
    lacking = lacking[np.lexsort((-where[lacking], labels[lacking]))]
    highest = lacking[np.unique(labels[lacking], return_index=True)[1]]
    back = set(ids.take(highest))
    # The same content has the same place.
    twins = among(where, np.sort(where[highest]))
    twins = twins[movable[twins]]
    codes = codes.copy()
    codes[[index for index in twins.tolist() if ids[index] in back]] = _TRAIN
    return codes

"""The door of the room: whatever the user has becomes `Examples`, with everything doubtful said once."""

import dataclasses
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from regraft.core import columns as columns_
from regraft.core import progress
from regraft.core.columns import Columns, Said
from regraft.core.errors import DataError, RequestError
from regraft.core.plan import SplitSpec
from regraft.data import (
    arrays,
    doubts,
    files,
    folder,
    frame,
    hf_dataset,
    manifest,
    table,
    table_lines,
    text_folder,
    texts,
    tf_dataset,
)
from regraft.data import labels as labels_
from regraft.data import split as split_
from regraft.data.described import described
from regraft.data.examples import Array, Chosen, Examples, UnreadableExample
from regraft.data.found import Found, Identified
from regraft.data.ids import SIZE, Ids
from regraft.data.names import rows_of
from regraft.data.portions import counted, looked_up
from regraft.data.text_files import UndecodableText

KINDS: tuple[ModuleType, ...] = (text_folder, folder, table, manifest, tf_dataset, hf_dataset, frame, arrays)

_DEFAULT_SPLIT = SplitSpec()
_THREADS = 4


def open_examples(
    data: Any,
    *,
    labels: Any = None,
    split: SplitSpec = _DEFAULT_SPLIT,
    strict: bool = False,
    lenient: bool = False,
    columns: Said = None,
    classes: int = 2,
    grouped: bool = False,
) -> Examples:
    """Open labelled examples of any known kind, split by content.

    Files are looked at and digested, but not decoded. What cannot be used is left out, recorded, and warned of in one
    line.

    Args:
        data: a folder, a `.csv`, `.tsv`, `.jsonl`, `.parquet` or `.npz` file, arrays, a `pandas.DataFrame`, a
            `tf.data.Dataset`, a Hugging Face data set; or `Examples`, which are returned as they are.
        labels: for one array or a list of texts: (n,) or one-hot (n, classes); for a table, a data frame or a Hugging
            Face data set: the name of the label column.
        split: how examples without a stated split are divided.
        strict: a bad example is an error.
        lenient: a text file in another encoding than is said is a bad example; else it is an error.
        columns: of a table: which hold what, and how its file is written.
        classes: how many there must be: 2, or 1 where nothing is learnt from them.
        grouped: whether a column of groups may be said: it is left aside, and need not be there.

    Returns:
        At least so many classes, each with at least one training example.

    Raises:
        DataError: nothing is there, it is not arranged as it must be, or, if `strict`, an example is bad.
        RequestError: the kind is unknown.
    """
    if isinstance(data, Examples):
        return data
    data = _with_columns(data, columns_.of(columns, grouped))
    for kind in KINDS:
        if kind.accepts(data):
            found: Found = kind.gather(data, labels)
            if classes > 1 and found.alone:
                raise DataError(found.alone)
            return _examples(found, split, strict, lenient, classes)
    known = "; ".join(kind.WHAT for kind in KINDS)
    what = f"the file '{data}'" if isinstance(data, Path) else f"a {type(data).__module__}.{type(data).__qualname__}"
    raise RequestError(f"expected data of a known kind, found {what}; known are: {known}")


def open_unlabelled(
    data: Any,
    *,
    split: SplitSpec = _DEFAULT_SPLIT,
    strict: bool = False,
    lenient: bool = False,
    columns: Said = None,
    classes: int = 0,
    groups: bool = False,
) -> Examples:
    """Open examples of which some or all have no label, to learn from without labels.

    Args:
        data: as for `open_examples`; besides, a folder of pictures or texts that is not arranged in classes, a table
            without a column of labels, a `.txt` file of one text a line, arrays without `y`, a single array, a list of
            texts.
        split: how examples without a stated split are divided; those without a label that are not the same as one with
            a label are for training.
        strict: a bad example is an error.
        lenient: a text file in another encoding than is said is a bad example; else it is an error.
        columns: of a table: which hold what, and how its file is written.
        classes: how many there must be where labels are learnt from all the same; 0: none.
        groups: whether an array `groups` beside `x` is read; a column of them is read wherever it is said.

    Returns:
        Examples whose `labels` are -1 where there is none; `classes` may be empty, and `groups` None.

    Raises:
        DataError: nothing is there, there is one class and more are needed, or, if `strict`, an example is bad.
        RequestError: the kind is unknown.
    """
    if isinstance(data, Examples):
        return data
    data = _with_columns(data, columns_.of(columns, grouped=True), lines=True)
    for kind in KINDS:
        if kind.accepts(data):
            found = _perhaps_labelled(kind, groups)(data)
            if classes > 1 and found.alone:
                raise DataError(found.alone)
            examples = _divided_unlabelled(found, split, lenient)
            if strict and examples.left_out:
                raise DataError(f"{examples.left_out[0]}, in {examples.origin}; repair it, or do without strict")
            if examples.left_out:
                progress.warn(f"left out of {examples.origin}{doubts.because(examples.left_out)}")
            return examples
    known = "; ".join(kind.WHAT for kind in KINDS)
    raise RequestError(f"expected data of a known kind, found '{data}'; known are: {known}")


def _perhaps_labelled(kind: ModuleType, groups: bool) -> Callable[[Any], Found]:
    """How a kind is read where labels may be absent, with its groups where it has any of its own."""
    ways = ("grouped", "unlabelled", "gather") if groups else ("unlabelled", "gather")
    return next(getattr(kind, way) for way in ways if hasattr(kind, way))


def has_columns(data: Any) -> bool:
    """Whether data is a table, or a data frame."""
    return table_lines.is_table(Path(data).expanduser()) if isinstance(data, (str, Path)) else texts.is_frame(data)


def _with_columns(data: Any, said: Columns | None, lines: bool = False) -> Any:
    """Data together with what is said of its columns, where it has any; `lines`: a text file is a text a line."""
    if isinstance(data, (str, Path)):
        return described(files.existing(Path(data).expanduser()), said, lines)
    return data if said is None else texts.with_columns(data, said)


def _divided_unlabelled(found: Found, spec: SplitSpec, lenient: bool) -> Examples:
    ids, usable, left_out = _usable(found, lenient, with_labels=False)
    kept = rows_of(np.flatnonzero(usable), len(usable))
    given, stated = found.labels.take(kept), found.stated[kept]
    known = np.flatnonzero(~given.missing())
    classes: tuple[str, ...] = ()
    labels = np.full(len(kept), -1, np.int32)
    codes = np.where(stated == split_.NOT_STATED, np.uint8(0), stated)
    if len(known):
        classes, labels[known] = labels_.indexed(given.take(known), found.class_names, found.origin)
        codes[known] = split_.divide(ids.take(known), labels[known], stated[known], spec).codes
        # What is judged by is not to be known without its label either.
        place = dict(zip(ids.take(known), codes[known].tolist(), strict=True))
        for row in np.flatnonzero(labels < 0).tolist():
            codes[row] = place.get(ids[row], codes[row])
    group_names, groups = _grouped(found, kept)
    return Examples(
        ids=ids,
        labels=labels,
        classes=classes,
        split=split_.Splits(codes.astype(np.uint8)),
        names=found.names.take(kept),
        read=Chosen(found.read, kept),
        shape=found.shape,
        full_intensity=found.full_intensity,
        left_out=tuple(left_out),
        origin=found.origin,
        columns=found.columns,
        groups=groups,
        group_names=group_names,
    )


def _grouped(found: Found, kept: Array) -> tuple[tuple[str, ...], Array | None]:
    """The names of the groups, and which of them each example is of, int32 (n,); None where nothing says it."""
    if found.groups is None:
        return (), None
    given = found.groups.take(kept)
    known = np.flatnonzero(~given.missing())
    groups = np.full(len(kept), -1, np.int32)
    names, groups[known] = labels_.indexed(given.take(known), None, found.origin)
    return names, groups


def pictures_in(paths: str | Path | Sequence[str | Path]) -> list[Path]:
    """The picture files that are meant, to predict for them.

    Args:
        paths: files, taken as they are and in the order given, and folders, in which everything that is a picture or is
            called one is found, at any depth, sorted.

    Raises:
        DataError: a path does not exist, or there is no picture at all.
    """
    given = [paths] if isinstance(paths, (str, Path)) else list(paths)
    found: list[Path] = []
    for path in (files.existing(Path(path).expanduser()) for path in given):
        found += [file for file in files.below(path) if files.looks_like_picture(file)] if path.is_dir() else [path]
    if not found:
        where = ", ".join(f"'{path}'" for path in given[:3]) or "an empty list"
        raise DataError(f"expected pictures, found none in {where}")
    return found


def _examples(found: Found, spec: SplitSpec, strict: bool, lenient: bool, classes: int) -> Examples:
    examples = _only_used_classes(_only_trained_classes(_divided(found, spec, lenient)))
    doubts.refuse(examples, strict, classes)
    doubts.warn(examples, spec)
    return examples


def _divided(found: Found, spec: SplitSpec, lenient: bool) -> Examples:
    ids, usable, left_out = _usable(found, lenient)
    given, stated, names, read = found.labels, found.stated, found.names, found.read
    if not usable.all():
        kept = rows_of(np.flatnonzero(usable), len(usable))
        given, stated, names, read = given.take(kept), stated[kept], names.take(kept), Chosen(read, kept)
    classes, labels = labels_.indexed(given, found.class_names, found.origin)
    return Examples(
        ids=ids,
        labels=labels,
        classes=classes,
        split=split_.divide(ids, labels, stated, spec),
        names=names,
        read=read,
        shape=found.shape,
        full_intensity=found.full_intensity,
        left_out=tuple(left_out),
        origin=found.origin,
        columns=found.columns,
    )


def _usable(found: Found, lenient: bool, with_labels: bool = True) -> tuple[Ids, Array, list[str]]:
    """The ids of those that can be used, which these are, bool (n,), and a line for each of the others.

    Raises:
        DataError: there is none; or one is in another encoding than is said, unless that is let pass.
    """
    usable = ~found.labels.missing() if with_labels else np.ones(len(found.labels), bool)
    left_out, undecodable = list(found.left_out), list[UndecodableText]()
    # All at once: what grows leaves its former places behind.
    digests, made = np.empty(len(usable), f"V{SIZE}"), 0
    for index, id_ in enumerate(progress.track(_identified(found), f"Reading {found.origin}", total=len(usable))):
        if isinstance(id_, UnreadableExample):
            left_out.append(str(id_))
            usable[index] = False
            undecodable += [id_] if isinstance(id_, UndecodableText) else []
        elif usable[index]:
            digests[made] = id_
            made += 1
        else:
            left_out.append(f"'{found.names[index]}' has no label")
    if not lenient:
        doubts.refuse_undecodable(undecodable, found.origin)
    if not made:
        raise DataError(f"no usable example in {found.origin}{doubts.because(left_out)}")
    return Ids(digests[:made].view(np.uint8).reshape(-1, SIZE)), usable, left_out


def _identified(found: Found) -> Iterator[bytes | UnreadableExample]:
    starts = range(0, len(found.names), found.block)
    with ThreadPoolExecutor(_THREADS) as pool:
        # A few blocks ahead only: what is finished, and not yet asked for, is small however many examples there are.
        ahead: deque[Future[Identified]] = deque()
        for start in starts:
            ahead.append(pool.submit(found.identify, start, min(start + found.block, len(found.names))))
            if len(ahead) > 2 * _THREADS:
                yield from ahead.popleft().result()
        for future in ahead:
            yield from future.result()


def _only_trained_classes(examples: Examples) -> Examples:
    # Only stated splits can leave a class without training examples; a head cannot learn to answer with it.
    trained = split_.classes_of(examples.labels, examples.split == "train", len(examples.classes))
    if trained.all():
        return examples
    untrained = np.flatnonzero(~looked_up(trained, examples.labels)).tolist()
    names = [examples.classes[examples.labels[index]] for index in untrained]
    return examples.without(untrained, [f"is of class '{name}', which has no training example" for name in names])


def _only_used_classes(examples: Examples) -> Examples:
    counts = counted(examples.labels, len(examples.classes))
    used = np.flatnonzero(counts)
    if len(used) == len(counts):
        return examples
    places = np.searchsorted(used, np.arange(len(counts))).astype(np.int32)
    empty = tuple(f"class '{examples.classes[index]}' has no usable example" for index in np.flatnonzero(counts == 0))
    return dataclasses.replace(
        examples,
        classes=tuple(examples.classes[index] for index in used),
        labels=looked_up(places, examples.labels),
        left_out=(*examples.left_out, *empty),
    )

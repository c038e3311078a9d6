"""`pretrain`: make a source where there is none; and finishing one that was interrupted."""

import dataclasses
import os
import re
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import keras

from regraft.activations.store import Store
from regraft.core import columns as columns_
from regraft.core import plain, storage
from regraft.core.columns import Said
from regraft.core.errors import RequestError, nearest
from regraft.core.pretraining import Asked, Scaling, Spec
from regraft.core.text_spec import Unit
from regraft.data import Examples
from regraft.pretraining import method as named_method
from regraft.pretraining.options import read
from regraft.pretraining.trunks import TRUNKS
from regraft.recipes.pretraining import folder as folders
from regraft.recipes.pretraining.running import Pretraining, pretrain_in

_IN_MEMORY = "model "


def pretrain(
    method: str,
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    architecture: str | keras.Model | None = None,
    epochs: int | None = None,
    settings: Mapping[str, Any] | None = None,
    labels: Any = None,
    probe: int = 500,
    scaling: Scaling = "auto",
    input_size: int | None = None,
    compare: Literal["auto", "yes", "no"] = "auto",
    strict: bool = False,
    lenient: bool = False,
    seed: int = 0,
    cache: str | os.PathLike[str] | None = None,
    columns: Said = None,
    tokens: Unit | None = None,
    vocabulary: int | None = None,
    length: int | None = None,
    pairs: Any = None,
) -> Pretraining:
    """Pretrain a network on examples without labels, or on a task whose labels are free.

    Args:
        method: a name of `regraft.pretraining.METHODS`.
        data: as `regraft.fit` takes it, labels or not: a folder of pictures or texts, a `.csv`, `.tsv`, `.jsonl`,
            `.parquet`, `.npz` or `.txt` file, an array, a list of texts. Labelled examples of the test split, as `fit`
            would divide them, are left alone. Beside the array `x` of an `.npz` or a dictionary, `groups` says which
            examples belong together, an integer or a string each, for a method that learns from that; `groups_train`
            does beside `x_train`.
        out: a new folder for it; by default one below `regraft-runs`.
        architecture: `mlp?units=500,250`, `cnn?filters=32,64`, `text-cnn`, `text-rnn`, `text-transformer?layers=2`,
            `keras:NAME?...`, `package.module:function`, or a model, which is not changed; by default the method's own
            for this kind of data.
        epochs: of each stage.
        settings: of the method and of `core.pretraining.Spec`, by name.
        labels: labelled examples for the probe, where `data` has none.
        probe: how many labels the probe curve, and the question whether it helped, have; 0: neither.
        scaling: of plain numbers: `unit`, `standard`, `none` or `auto`.
        input_size: height and width that pictures are brought to.
        compare: whether it is measured if pretraining helped.
        strict: an unreadable example is an error; so is whatever is left out or cut with a warning.
        lenient: a column of a table with one value in all examples, or with none, and a text file in another encoding
            than is said are left out, and a text that is too long is cut, each with a warning; else these are errors.
        seed: of every random choice.
        cache: folder of activations, for methods that train one layer at a time.
        columns: of a table of texts or rows, see `regraft.fit`; besides, `{"group": NAME}` names the column that says
            which examples belong together, of a table of pictures too.
        tokens: what texts are taken apart into: `characters`, `words` or `subwords`; by default words.
        vocabulary: how many different ids texts have at most.
        length: how many tokens of a text the network sees; by default all of nearly all texts, up to 128 words. A text
            of more than is said, or than that, is an error unless `lenient`.
        pairs: of examples in an order, which `ranking` then learns from (`by=pairs`): an array or a list (m, 2), the
            first example of each pair above the second, or the path of a table with the columns `above` and `below`.
            An example is its number as messages tell it, such as 17 for `index 17`, or its name, or its id.

    Returns:
        The finished pretraining; its folder opens as a source everywhere.

    Raises:
        RequestError: the request was wrong, or a part of it would make no difference.
        WorkError: the work failed.
    """
    if not isinstance(architecture, (str, keras.Model, NoneType)):
        raise RequestError(
            f"expected an architecture by name, such as {', '.join(TRUNKS)}, keras:NAME or package.module:function, or "
            f"a keras.Model, found {type(architecture).__name__} {architecture!r:.60}"
        )
    if epochs is not None and settings and "epochs" in settings:
        raise RequestError(f"epochs are said twice, {epochs} and --set epochs={settings['epochs']}; leave one out")
    if compare == "yes" and probe == 0:
        raise RequestError("--compare yes compares on the labels of --probe, found --probe 0; leave one of them out")
    given = {**({"epochs": epochs} if epochs is not None else {}), **(settings or {})}
    if pairs is not None and hasattr(named_method(method).Settings, "needs_pairs"):
        given = {"by": "pairs", **given}
    asked = asked_of(
        method,
        {name: value if isinstance(value, str) else _text(value) for name, value in given.items()},
        data=storage.absolute(data) if isinstance(data, (str, os.PathLike)) else "",
        architecture=architecture if isinstance(architecture, str) else "",
        labels=storage.absolute(labels) if isinstance(labels, (str, os.PathLike)) else "",
        pairs=storage.absolute(pairs) if isinstance(pairs, (str, os.PathLike)) else "",
        probe=probe,
        scaling=scaling,
        input_size=input_size,
        compare=compare,
        strict=strict,
        lenient=lenient,
        seed=seed,
        columns=columns_.of(columns, grouped=True),
        tokens=tokens or "words",
        vocabulary=vocabulary,
        length=length,
    )
    trunk = architecture if isinstance(architecture, keras.Model) else None
    if trunk is not None:
        asked = replace(asked, architecture=f"{_IN_MEMORY}'{trunk.name}'")
    if isinstance(data, Examples):
        asked = replace(asked, data="")
    folder = Path(out) if out is not None else default_folder(method, asked.data)
    folders.require_free(folder)
    store = Store(Path(cache)) if cache else None
    optional = {"--tokens": tokens, "--vocabulary-size": vocabulary, "--length": length}
    said = [f"--set {name}" for name in given] + [name for name, value in optional.items() if value is not None]
    if scaling != "auto":
        said.append("--scaling")
    if asked.columns is not None and asked.columns.group is not None:
        said.append("--group-column")
    if pairs is not None:
        said.append("--pairs")
    return pretrain_in(folder, asked, data, labels, trunk, store, said, pairs)


def asked_of(method: str, said: Mapping[str, str], **others: Any) -> Asked:
    """The document of a pretraining.

    Args:
        method: its name.
        said: texts by name, of the method's settings and of `Spec`.
        others: the other fields of `Asked`.

    Raises:
        RequestError: there is no such method or setting, or not with this value.
    """
    chosen = named_method(method)
    of_spec = [field.name for field in dataclasses.fields(Spec)]
    own = [field.name for field in dataclasses.fields(chosen.Settings)]
    for name in said:
        if name not in of_spec and name not in own:
            known = [*own, *of_spec]
            raise RequestError(f"'{method}' has no setting '{name}'{nearest(name, known)}; it has {', '.join(known)}")
    spec = read(Spec, {name: value for name, value in said.items() if name in of_spec}, chosen.SPEC)
    settings = read(chosen.Settings, {name: value for name, value in said.items() if name in own})
    return Asked(method=method, spec=spec, settings=plain.to_plain(settings), **others)


def resume(
    folder: str | os.PathLike[str],
    *,
    data: Any = None,
    labels: Any = None,
    trunk: keras.Model | None = None,
    cache: str | os.PathLike[str] | None = None,
    pairs: Any = None,
) -> Pretraining:
    """Finish a pretraining that was interrupted; a finished one is loaded.

    Args:
        folder: of the pretraining.
        data: the same examples again, where they were given in memory.
        labels: likewise.
        trunk: the same network again, where it was given as a model.
        cache: as `pretrain` was given it.
        pairs: as `labels`.

    Raises:
        RequestError: there is none in the folder, or what it was made from is not there any more.
    """
    folder = Path(folder)
    if (folder / folders.RECORD).exists():
        folders.tidy(folder)
        return load(folder)
    asked = folders.asked(folder)
    if data is None and not (asked.data and Path(asked.data).exists()):
        raise RequestError(
            f"the pretraining in '{folder}' took its examples from '{asked.data or 'memory'}', which is not there; "
            "put them back, or resume it in Python with the same examples as data="
        )
    if trunk is None and asked.architecture.startswith(_IN_MEMORY):
        raise RequestError(
            f"the pretraining in '{folder}' began with a model that was given in memory; resume it in Python with the "
            "same model as trunk="
        )
    store = Store(Path(cache)) if cache else None
    return pretrain_in(
        folder,
        asked,
        asked.data if data is None else data,
        asked.labels or None if labels is None else labels,
        trunk,
        store,
        pairs=asked.pairs or None if pairs is None else pairs,
    )


def load(folder: str | os.PathLike[str]) -> Pretraining:
    """A finished pretraining, from its folder.

    Raises:
        RequestError: the folder holds none.
        CorruptFileError: its network is truncated or was altered.
    """
    from regraft.importers import open as open_source

    folder = Path(folder)
    record = folders.read(folder)
    return Pretraining(folder, record, open_source(folder).model)


def default_folder(method: str, data: str) -> Path:
    """A new folder below `regraft-runs`, named after the method, the data and the time."""
    word = re.sub(r"[^\w.]+", "_", Path(data).name).strip("_")[:40] or "data"
    first = Path("regraft-runs") / f"{method}-{word}-{time.strftime('%Y%m%d-%H%M%S')}"
    number = 2
    made = first
    while made.exists():
        made, number = first.with_name(f"{first.name}-{number}"), number + 1
    return made


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(repr, value))},)"
    return str(value)

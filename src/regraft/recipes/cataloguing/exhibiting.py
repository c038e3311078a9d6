"""`regraft zoo page`: the catalogue as one page, beside somebody's data where these are given."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from regraft.catalogue import Catalogue, open_catalogue
from regraft.core.card import SOURCE, Card
from regraft.core.class_names import folded
from regraft.core.errors import RegraftError, RequestError
from regraft.core.exhibit import AskedData, Exhibition, Kinship, exhibit
from regraft.core.metric import Metric
from regraft.core.progress import collecting_warnings
from regraft.report import zoo_page

if TYPE_CHECKING:
    from regraft.core.ranking import RankRecord
    from regraft.data import Examples


def write_page(
    out: str | os.PathLike[str] = zoo_page.ZOO_PAGE, data: Any = None, **how: Any
) -> tuple[Path, Exhibition]:
    """Write the page of a catalogue.

    Args:
        out: its file.
        data: see `exhibition`.
        **how: likewise.

    Returns:
        The file, and what it shows.

    Raises:
        RequestError: `out` is a folder, or as `exhibition`.
        StorageError: the file cannot be written.
    """
    path = Path(out)
    if path.is_dir():
        raise RequestError(f"expected a file for the page, found the folder '{path}'; say '{path / zoo_page.ZOO_PAGE}'")
    shown = exhibition(data, **how)
    return zoo_page.write(path, shown), shown


def exhibition(
    data: Any = None,
    *,
    zoo: str | os.PathLike[str] | None = None,
    labels: Any = None,
    tried: bool = True,
    time_budget: str | float | None = None,
    cache: str | os.PathLike[str] | None = None,
) -> Exhibition:
    """What a catalogue has, and how near each of its models is to data.

    The latest version of each model is shown, and older ones that others were made of.

    Args:
        data: labelled examples, as `regraft.fit` takes them; None: models are shown by themselves.
        zoo: the catalogue, see `open_catalogue`.
        labels: for data that does not hold them.
        tried: run the models on a sample of the data, as `regraft.rank` does; else only their cards are asked.
        time_budget: for that.
        cache: folder of the activations.

    Raises:
        RequestError: the data cannot be read.
    """
    catalogue = open_catalogue(zoo)
    with collecting_warnings() as warned:
        cards = list(_shown(catalogue))
    warnings = list(warned)
    if data is None:
        return Exhibition(catalogue=catalogue.address, exhibits=tuple(map(exhibit, cards)), warnings=tuple(warnings))
    # Here, because a page without data needs no framework.
    from regraft import data as data_room

    examples = data_room.open(data, labels=labels, lenient=True)
    kin = {card.address: _kinship(card, examples) for card in cards}
    asked = AskedData(name=_named(data), examples=len(examples), classes=tuple(examples.classes))
    if tried and cards:
        ranked, trouble = _ranked(data, labels, cards, zoo, time_budget, cache)
        warnings += trouble
        if ranked is not None:
            kin = {address: _scored(kinship, address, ranked) for address, kinship in kin.items()}
            asked = replace(asked, tried=max((item.examples for item in ranked.ranking), default=0))
    shown = tuple(exhibit(card, kin[card.address]) for card in cards)
    return Exhibition(catalogue=catalogue.address, exhibits=shown, data=asked, warnings=tuple(dict.fromkeys(warnings)))


def _named(data: Any) -> str:
    return Path(data).absolute().name if isinstance(data, (str, os.PathLike)) else "the data"


def _shown(catalogue: Catalogue) -> Iterator[Card]:
    """The latest version of each model, and the versions that those were made of."""
    seen: set[str] = set()
    wanted: list[str] = []
    for card in catalogue.cards():
        seen.add(card.address)
        wanted += _parents(card)
        yield card
    while wanted:
        address = wanted.pop()
        if address in seen:
            continue
        seen.add(address)
        # What was removed since is drawn as what is not in the catalogue.
        with contextlib.suppress(RegraftError):
            card = catalogue.card(address)
            wanted += _parents(card)
            yield card


def _parents(card: Card) -> list[str]:
    return [card.lineage.parent] if card.lineage is not None and card.lineage.parent else []


def _kinship(card: Card, examples: "Examples") -> Kinship:
    """What the card alone says: whether it learnt from these examples, and which of their classes it knows."""
    known = {folded(name) for name in card.classes}
    same = card.data is not None and bool(card.data.digest) and card.data.digest == examples.digest()
    return Kinship(same_examples=same, classes=tuple(name for name in examples.classes if folded(name) in known))


def _ranked(
    data: Any,
    labels: Any,
    cards: list[Card],
    zoo: str | os.PathLike[str] | None,
    time_budget: str | float | None,
    cache: str | os.PathLike[str] | None,
) -> "tuple[RankRecord | None, list[str]]":
    """What `regraft.rank` says of the models; None, and why, where it can use none of them."""
    from regraft.recipes.ranking.asking import rank

    sources = [f"{SOURCE}{card.address}" for card in cards]
    try:
        record = rank(data, sources, zoo=zoo, labels=labels, time_budget=time_budget, cache=cache)
    except RequestError as error:
        return None, [f"no model could be tried on the data: {error}"]
    return record, list(record.warnings)


def _scored(kinship: Kinship, address: str, record: "RankRecord") -> Kinship:
    """With what the ranking says of the model, or why it is not in it."""
    source = f"{SOURCE}{address}"
    for item in record.ranking:
        if item.source == source:
            return replace(
                kinship,
                score=Metric(item.score, item.interval),
                cut_point=item.cut_point,
                same_examples=kinship.same_examples or item.trained_on_these,
                note=item.note,
            )
    refused: Mapping[str, str] = {item.source: item.reason for item in record.refused}
    return replace(kinship, note=refused.get(source, ""))

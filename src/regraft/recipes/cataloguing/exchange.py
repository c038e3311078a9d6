"""`regraft zoo export` and `import`: a model leaves the catalogue as a folder that hubs know, and comes back."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from regraft.catalogue import Catalogue, open_catalogue
from regraft.catalogue.places.folder import Folder
from regraft.core.card import Card, Lineage, require_name
from regraft.core.errors import RequestError
from regraft.formats import card_folder, folders, hub_readme
from regraft.recipes import run_folder
from regraft.recipes.cataloguing import exchange_mlflow
from regraft.report.catalogue_card import readme

_HUB = "hf://"


@dataclass(frozen=True, slots=True)
class Exported:
    """A model that left the catalogue as a copy.

    Attributes:
        catalogue: where it came from.
        model: `NAME@VERSION`.
        to: `hf`, a folder in the manner of the Hugging Face hub, or `mlflow`.
        place: the folder, or the model's address in MLflow.
        files: that were written.
        bytes: of them.
    """

    catalogue: str
    model: str
    to: str
    place: str
    files: tuple[str, ...]
    bytes: int


@dataclass(frozen=True, slots=True)
class Imported:
    """A model that came into the catalogue.

    Attributes:
        catalogue: where it is now.
        name: there.
        version: likewise.
        is_new: whether it was put in; else the same was there.
        source: where it came from.
        by_card: whether it came with its card; else it is a network of others, and known as far as its files say.
        card: the whole card.
        notes: what was done, or changed.
        unknown: what could not be told.
    """

    catalogue: str
    name: str
    version: int
    is_new: bool
    source: str
    by_card: bool
    card: Card
    notes: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """What it is asked for by."""
        return f"{self.name}@{self.version}"


def export(
    model: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    to: str = "hf",
    zoo: str | os.PathLike[str] | None = None,
) -> Exported:
    """Write a model of the catalogue in a form that others take.

    Args:
        model: `NAME` or `NAME@VERSION`.
        folder: for `hf`, where to write: a new folder, an empty one, one that was exported to before, or a clone of a
            repository that holds a README only. For `mlflow`, a store of files; None: what `MLFLOW_TRACKING_URI` names.
        to: a key of `KINDS`.
        zoo: the catalogue, see `open_catalogue`.

    Raises:
        RequestError: there is no such model, or no such kind, or the folder has something else in it.
        CorruptFileError: the card or a part is damaged or missing.
        StorageError: the folder cannot be written to.
    """
    if to not in KINDS:
        raise RequestError(f"expected {' or '.join(KINDS)}, found '{to}'")
    catalogue = open_catalogue(zoo)
    card = catalogue.card(model)
    return KINDS[to](catalogue, card, Path(folder) if folder is not None else None)


def import_model(
    source: str | os.PathLike[str],
    *,
    name: str | None = None,
    zoo: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
    architecture: str | None = None,
    trust: bool = False,
) -> Imported:
    """Take a model into the catalogue that was exported from one, or that others put into a folder like it.

    Args:
        source: the folder; `hf://USER/NAME`, one on the Hugging Face hub; or `models:/NAME/VERSION`, a model of MLflow.
        name: in the catalogue; by default what it was called.
        zoo: the catalogue, see `open_catalogue`.
        store: of MLflow, a folder; None: what `MLFLOW_TRACKING_URI` names.
        architecture: of a folder without a card, as `regraft.open` takes it.
        trust: let Python code in a folder without a card run.

    Raises:
        RequestError: the folder holds nothing that can be opened, or its card is of a newer version.
        CorruptFileError: a file is missing, truncated or was altered.
        StorageError: the catalogue cannot be written to.
    """
    if name is not None:
        require_name(name)
    catalogue = open_catalogue(zoo)
    text = os.fspath(source)
    if exchange_mlflow.is_address(text):
        with exchange_mlflow.downloaded(text, Path(store) if store is not None else None) as folder:
            return replace(_from_folder(catalogue, folder, name, architecture, trust), source=text)
    if text.startswith(_HUB):
        # Here, because a folder needs no framework.
        from regraft.importers import hub

        called = name or text.removeprefix(_HUB).partition("@")[0].rpartition("/")[2]
        return replace(_from_folder(catalogue, hub.snapshot(text), called, architecture, trust), source=text)
    folder = Path(text)
    if not folder.is_dir():
        raise RequestError(f"expected the folder of a model, hf://USER/NAME, or models:/NAME/VERSION, found '{text}'")
    return _from_folder(catalogue, folder, name, architecture, trust)


def _from_folder(
    catalogue: Catalogue, folder: Path, name: str | None, architecture: str | None, trust: bool
) -> Imported:
    if card_folder.is_one(folder):
        return _with_card(catalogue, folder, name)
    if run_folder.is_begun(folder) or folders.is_pretraining(folder):
        raise RequestError(
            f"'{folder}' is the folder of a run or a pretraining; `regraft zoo add {folder}` keeps all that it says"
        )
    # Here, because a folder with a card needs no framework.
    from regraft.recipes.cataloguing import foreign

    described, notes, unknown = foreign.describe(folder, name or foreign.name_of(folder), architecture, trust)
    return _added(catalogue, described.card, described.parts, folder, False, notes, unknown)


def _with_card(catalogue: Catalogue, folder: Path, name: str | None) -> Imported:
    card, parts = card_folder.read(folder)
    lineage, told = _lineage(catalogue, card)
    made = replace(card, name=name or card.name, version=0, lineage=lineage)
    given: Mapping[str, Callable[[], bytes]] = {digest: partial(parts.__getitem__, digest) for digest in parts}
    return _added(catalogue, made, given, folder, True, (*told, *_readme_notes(folder, card)), ())


def _added(
    catalogue: Catalogue,
    card: Card,
    parts: Mapping[str, Callable[[], bytes]],
    folder: Path,
    by_card: bool,
    notes: tuple[str, ...],
    unknown: tuple[str, ...],
) -> Imported:
    before = {entry.version for entry in catalogue.versions(card.name)}
    made = catalogue.add(card, parts)
    return Imported(
        catalogue.address,
        made.name,
        made.version,
        made.version not in before,
        str(folder),
        by_card,
        made,
        notes,
        unknown,
    )


def _lineage(catalogue: Catalogue, card: Card) -> tuple[Lineage | None, tuple[str, ...]]:
    """What the model was made of, under the name that this catalogue knows it by.

    The card has the name of another catalogue, and something else may be called so here; weights are the same anywhere.
    """
    made = card.lineage
    if made is None or not made.parent:
        return made, ()
    known = [entry.address for entry in catalogue.by_digest(made.digest)] if made.digest else []
    if made.parent in known:
        return made, ()
    if known:
        return replace(made, parent=known[0]), (f"what it was made of, '{made.parent}', is '{known[0]}' here",)
    said = f"what it was made of, '{made.parent}' of the catalogue that it comes from, is not in this one"
    return replace(made, parent=""), (said,)


def _readme_notes(folder: Path, card: Card) -> Iterator[str]:
    """Where people have changed the README since: the card counts, and that is said."""
    path = folder / card_folder.README
    if not path.is_file():
        return
    said = hub_readme.read(path.read_text(encoding="utf-8", errors="replace"))
    meant = hub_readme.read(readme(card))
    for what in ("licence", "task"):
        mine, theirs = getattr(meant, what), getattr(said, what)
        if theirs and theirs.lower() != mine.lower():
            yield f"README.md says the {what} '{theirs}', the card '{mine or 'nothing'}'; the card's was taken"


def _to_folder(catalogue: Catalogue, card: Card, folder: Path | None) -> Exported:
    if folder is None:
        raise RequestError(f"expected a folder to write '{card.address}' into, found none; name one")
    _refuse_own(catalogue, folder)
    files = card_folder.write(folder, card, catalogue.parts(card), readme(card))
    size = sum((folder / name).stat().st_size for name in files)
    return Exported(catalogue.address, card.address, "hf", str(folder), files, size)


def _refuse_own(catalogue: Catalogue, folder: Path) -> None:
    """Refuse the catalogue itself as the place of a copy."""
    for place in (catalogue.cards_place, catalogue.parts_place):
        if isinstance(place, Folder) and folder.resolve().is_relative_to(place.root.resolve()):
            raise RequestError(
                f"expected a folder outside of the catalogue to export into, found '{folder}' in '{place.address}'; "
                "name another"
            )


def _to_mlflow(catalogue: Catalogue, card: Card, store: Path | None) -> Exported:
    place, files, size = exchange_mlflow.write(card, catalogue.parts(card), readme(card), store)
    return Exported(catalogue.address, card.address, "mlflow", place, files, size)


KINDS: Mapping[str, Callable[[Catalogue, Card, Path | None], Exported]] = {"hf": _to_folder, "mlflow": _to_mlflow}

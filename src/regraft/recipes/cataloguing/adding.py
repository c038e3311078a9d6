"""`regraft zoo add`: a network, a run or a pretraining becomes a model of the catalogue."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras

from regraft import formats, importers
from regraft.catalogue import Catalogue, open_catalogue
from regraft.core.card import Card, is_source, require_name
from regraft.core.errors import RegraftError, RequestError
from regraft.core.optimizer_state import OptimizerState
from regraft.core.progress import say
from regraft.formats import card_folder
from regraft.importers import Pretrained
from regraft.importers.optimizer_state.reading import optimizer_state
from regraft.recipes import run_folder
from regraft.recipes.cataloguing import networks, optimizers, pretrainings, runs
from regraft.recipes.cataloguing.networks import Described

# What no name can have in it.
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, slots=True)
class Added:
    """A model that is in the catalogue now.

    Attributes:
        catalogue: its address.
        name: of the model.
        version: of it.
        is_new: whether it was put in; else there was one of this name with the same weights and the same card.
        card: the whole card.
        stored: bytes of parts that were not there before.
        shared: bytes of parts that were, because another model has the same.
    """

    catalogue: str
    name: str
    version: int
    is_new: bool
    card: Card
    stored: int
    shared: int

    @property
    def address(self) -> str:
        """What it is asked for by: `NAME@VERSION`."""
        return f"{self.name}@{self.version}"


def add(
    source: str | os.PathLike[str] | keras.Model | Pretrained,
    *,
    name: str | None = None,
    zoo: str | os.PathLike[str] | None = None,
    summary: str | None = None,
    task: str | None = None,
    licence: str = "",
    citation: str = "",
    tags: Sequence[str] = (),
    classes: Sequence[str] = (),
    optimizer: bool = True,
    architecture: str | None = None,
    preprocessing: str | None = None,
    input_size: int | None = None,
    trust: bool = False,
) -> Added:
    """Put a network, a finished run or a pretraining into the catalogue, so that it is found and reused later.

    Args:
        source: the folder of a run or of a pretraining, or what `regraft.open` takes.
        name: in the catalogue; by default made from what the source is called. Where it is said and there is one of
            that name, the model becomes its next version.
        zoo: the catalogue, see `open_catalogue`.
        summary: what it is, in a sentence; by default what is known of it.
        task: what it does, such as `image-classification`; by default as its ends say.
        licence: under which it may be used.
        citation: what to cite.
        tags: words to find it by.
        classes: names of its outputs, where the source does not say them.
        optimizer: keep the state of the optimizer, where there is one.
        architecture: as `regraft.open` takes it.
        preprocessing: likewise.
        input_size: likewise.
        trust: likewise.

    Raises:
        RequestError: the source cannot be opened or not be built anew; or no name was said, and another model has
            the one that would be taken.
        CorruptFileError: the source is truncated or was altered.
        StorageError: the catalogue cannot be written to.
    """
    if is_source(source):
        raise RequestError(f"'{source}' is in the catalogue already; `regraft zoo show` tells of it")
    if isinstance(source, (str, os.PathLike)) and card_folder.is_one(Path(source)):
        raise RequestError(
            f"'{source}' was exported from a catalogue and has its card; say: regraft zoo import {source}"
        )
    if name is not None:
        require_name(name)
    catalogue = open_catalogue(zoo)
    called = name or default_name(source)
    described, state = _described(source, catalogue, called, architecture, preprocessing, input_size, trust)
    if state is not None and optimizer:
        described = _with_optimizer(described, state)
    card = _with_words(described.card, summary, task, licence, citation, tags, classes)
    _refuse_another(catalogue, card, said=name is not None)
    before = {entry.version for entry in catalogue.versions(card.name)}
    there = catalogue.sharing(card.parts)
    held = _held(catalogue, card, there)
    made = catalogue.add(card, described.parts)
    sizes = made.parts
    return Added(
        catalogue.address,
        made.name,
        made.version,
        made.version not in before,
        made,
        sum(size for digest, size in sizes.items() if digest not in held),
        sum(size for digest, size in sizes.items() if digest in held),
    )


def default_name(source: Any) -> str:
    """What a model is called where nobody says it.

    >>> default_name("keras:MobileNetV2?alpha=0.35"), default_name("nets/mine.weights.h5")
    ('MobileNetV2-alpha-0.35', 'mine')
    """
    if isinstance(source, Pretrained):
        return default_name(source.source)
    text = source.name if isinstance(source, keras.Model) else os.fspath(source)
    stem = re.split(r"[/\\]", text.rstrip("/\\"))[-1].removeprefix("keras:")
    stem = re.sub(
        r"(\.weights)?\.(keras|h5|hdf5|pb|tflite|onnx|safetensors|pt|pth|th|npz|npy|json|caffemodel)$", "", stem
    )
    return _UNFIT.sub("-", stem)[:100].strip("._-") or "model"


def _described(
    source: Any,
    catalogue: Catalogue,
    name: str,
    architecture: str | None,
    preprocessing: str | None,
    input_size: int | None,
    trust: bool,
) -> tuple[Described, OptimizerState | None]:
    """The card and the parts of whatever it is, and the state of its optimizer."""
    path = Path(source) if isinstance(source, (str, os.PathLike)) else None
    if path is not None and runs.is_one(path):
        return runs.describe(path, catalogue, name, trust)
    if path is not None and run_folder.is_begun(path):
        run_folder.read(path)
    if path is not None and pretrainings.is_one(path):
        return pretrainings.describe(path, name, trust), None
    pretrained = (
        source
        if isinstance(source, Pretrained)
        else importers.open(
            source,
            architecture=architecture,
            preprocessing=preprocessing,
            input_size=input_size,
            trust=trust,
        )
    )
    return networks.describe(pretrained, name, trust), _state(path)


def _state(path: Path | None) -> OptimizerState | None:
    """What the optimizer in a file had learnt; None where there is none that can be told."""
    if path is None or not path.exists():
        return None
    try:
        return optimizer_state(path) if formats.read(path).optimizer is not None else None
    except RegraftError as error:
        say(f"the state of the optimizer is not kept: {error}")
        return None


def _with_optimizer(described: Described, state: OptimizerState) -> Described:
    content = optimizers.to_bytes(state)
    facts = optimizers.facts(state, content)
    card = replace(described.card, optimizer=facts)
    return Described(card, {**described.parts, facts.digest: lambda: content})


def _with_words(
    card: Card,
    summary: str | None,
    task: str | None,
    licence: str,
    citation: str,
    tags: Sequence[str],
    classes: Sequence[str],
) -> Card:
    """The card with what a person says.

    Raises:
        RequestError: there are more or fewer names of classes than outputs.
    """
    if classes and card.architecture.outputs not in (None, len(classes)):
        raise RequestError(f"expected {card.architecture.outputs} classes, one for each output, found {len(classes)}")
    return replace(
        card,
        summary=card.summary if summary is None else summary,
        task=card.task if task is None else task,
        licence=licence or card.licence,
        citation=citation or card.citation,
        tags=tuple(dict.fromkeys([*card.tags, *tags])),
        classes=tuple(classes) or card.classes,
    )


def _refuse_another(catalogue: Catalogue, card: Card, said: bool) -> None:
    """Refuse a name that was made up here and belongs to another model."""
    versions = catalogue.versions(card.name)
    if said or not versions or any(entry.digest == card.digest for entry in versions):
        return
    raise RequestError(
        f"'{versions[0].address}' in '{catalogue.address}' has other weights than '{card.origin}'; say "
        f"--name {card.name} to make this version {versions[0].version + 1} of it, or another name"
    )


def _held(catalogue: Catalogue, card: Card, there: dict[str, int]) -> set[str]:
    """The parts of a card that are in the catalogue because other models have them."""
    held: set[str] = set()
    for address in list(there)[:3]:
        held |= set(catalogue.card(address).parts) & set(card.parts)
    return held

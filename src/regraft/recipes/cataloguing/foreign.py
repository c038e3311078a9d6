"""A folder that others made, as on the Hugging Face hub, as a network of the catalogue: as far as its files say."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from regraft import formats, importers
from regraft.core.card import Card, DataFacts, Lineage
from regraft.core.errors import CorruptFileError, RegraftError, RequestError
from regraft.formats import hub_readme
from regraft.formats.hub_readme import HubReadme
from regraft.importers import Pretrained
from regraft.recipes.cataloguing import networks
from regraft.recipes.cataloguing.networks import Described

README, _CONFIG = "README.md", "config.json"
# The files that hubs keep networks in, the most telling first; then whatever else can be read.
_FILES = (
    *("model.keras", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "tf_model.h5"),
    *("model.onnx", "saved_model.pb", "model.json", "model.tflite"),
)
_ENDINGS = (
    ".keras",
    ".safetensors",
    ".h5",
    ".hdf5",
    ".onnx",
    ".tflite",
    ".pt",
    ".pth",
    ".bin",
    ".th",
    ".pb",
    ".caffemodel",
)
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")
_SMALL = 1 << 24


def name_of(folder: Path) -> str:
    """What a model is called that lies in a folder and does not say its name.

    >>> name_of(Path("/tmp/models--timm--resnet18.a1_in1k/")), name_of(Path("/nets/my flowers"))
    ('models--timm--resnet18.a1_in1k', 'my-flowers')
    """
    return _UNFIT.sub("-", folder.absolute().name)[:100].strip("._-") or "model"


def describe(
    folder: Path, name: str, architecture: str | None = None, trust: bool = False
) -> tuple[Described, tuple[str, ...], tuple[str, ...]]:
    """The card and the parts of the network in a folder, what was found about it, and what could not be told.

    Args:
        folder: with a file that can be opened, and perhaps a README with a head and a `config.json`.
        name: that it is to have.
        architecture: what builds the network where there are only weights.
        trust: let Python code in its file run.

    Raises:
        RequestError: nothing in the folder can be opened as a network.
        CorruptFileError: its file is truncated or was altered.
    """
    said = _readme(folder)
    opened, file = _opened(folder, architecture, trust)
    described = networks.describe(_with_classes(folder, opened), name, trust)
    card = _with_words(described.card, said, folder)
    notes = (f"the network is that of '{file.name}'", *_notes(folder, said))
    return replace(described, card=card), notes, tuple(_unknown(card, opened))


def _readme(folder: Path) -> HubReadme:
    path = folder / README
    if not path.is_file() or path.stat().st_size > _SMALL:
        return HubReadme()
    return hub_readme.read(path.read_text(encoding="utf-8", errors="replace"))


def _opened(folder: Path, architecture: str | None, trust: bool) -> tuple[Pretrained, Path]:
    """The first of the folder, and of the files in it, that can be opened, and which that was."""
    refusals: list[str] = []
    for path in _candidates(folder):
        try:
            stated = architecture if architecture is not None else _architecture(folder, path)
            return importers.open(path, architecture=stated, trust=trust), path
        except CorruptFileError:
            raise
        except RegraftError as error:
            refusals.append(str(error))
    if not refusals:
        shown = ", ".join(_ENDINGS[:4])
        raise RequestError(f"expected a network in '{folder}', a file such as {shown}, found none of a known format")
    raise RequestError(f"nothing in '{folder}' can be opened as a network: {refusals[0]}")


def _candidates(folder: Path) -> list[Path]:
    """What may be the network: the folder itself, files with the names that hubs use; else the one that can be read.

    Raises:
        RequestError: there are several files, and nothing says which is meant.
    """
    whole = [folder] if _sniffed(folder) not in (None, "safetensors") else []
    named = [path for name in _FILES if (path := folder / name).is_file() and _sniffed(path) is not None]
    if whole or named:
        return [*whole, *named]
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in _ENDINGS)
    found = [path for path in files if _sniffed(path) is not None]
    if len(found) > 1:
        shown = ", ".join(path.name for path in found[:4]) + (", ..." if len(found) > 4 else "")
        raise RequestError(
            f"expected one network in '{folder}', found {len(found)} ({shown}); say which with: regraft zoo add FILE"
        )
    return found


def _sniffed(path: Path) -> str | None:
    try:
        return formats.sniff(path)
    except RegraftError:
        return None


def _architecture(folder: Path, path: Path) -> str | None:
    """The configuration of Keras beside a file of weights; None where there is none, or it is another library's."""
    said = _config(folder)
    if path.suffix != ".safetensors" or not isinstance(said.get("class_name"), str) or "config" not in said:
        return None
    return str(folder / _CONFIG)


def _config(folder: Path) -> Mapping[str, Any]:
    path = folder / _CONFIG
    if not path.is_file() or path.stat().st_size > _SMALL:
        return {}
    try:
        said = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return cast(Mapping[str, Any], said) if isinstance(said, dict) else {}


def _with_classes(folder: Path, opened: Pretrained) -> Pretrained:
    """With the names of the outputs that `config.json` says, where there are as many."""
    classes = _classes(_config(folder))
    if opened.classes is not None or not classes or networks.outputs(opened.model) != len(classes):
        return opened
    return replace(opened, classes=classes)


def _classes(config: Mapping[str, Any]) -> tuple[str, ...]:
    """`id2label` of transformers, `label_names` of timm."""
    named = config.get("label_names")
    if isinstance(named, list):
        return tuple(map(str, cast(list[Any], named)))
    said = config.get("id2label")
    table = cast(Mapping[str, Any], said) if isinstance(said, dict) else {}
    found = [table.get(str(index)) for index in range(len(table))]
    return tuple(map(str, found)) if all(isinstance(name, str) for name in found) else ()


def _with_words(card: Card, said: HubReadme, folder: Path) -> Card:
    """The card with what the README says; its figures are words, as it says neither of how many nor how sure."""
    summary = ". ".join(filter(None, [said.summary.rstrip("."), ", ".join(said.results)]))
    base = said.base_models[0] if said.base_models else ""
    return replace(
        card,
        summary=summary or card.summary,
        task=said.task or card.task,
        licence=said.licence,
        citation=said.citation,
        tags=tuple(tag for tag in said.tags if len(tag) < 60),
        data=DataFacts(name=", ".join(said.datasets)) if said.datasets else None,
        lineage=Lineage(source=f"hf://{base}") if base else None,
        origin=str(folder.absolute()),
    )


def _notes(folder: Path, said: HubReadme) -> Iterator[str]:
    if said.trouble:
        yield f"the head of {README} cannot be read: {said.trouble}"
    if said.results:
        yield f"{README} says {', '.join(said.results)}, not on how many examples: it stands in the summary"
    if not (folder / README).is_file():
        yield f"there is no {README}"


def _unknown(card: Card, opened: Pretrained) -> Iterator[str]:
    """What a card of our own would say and this one cannot."""
    if not card.licence:
        yield "the licence"
    if card.architecture.outputs and not card.classes:
        yield f"what its {card.architecture.outputs} outputs are called"
    if card.inputs is None:
        yield "what it takes: it has not one input of known shape"
    elif card.inputs.origin == "assumed":
        yield f"how its input is prepared: {card.inputs.name} is assumed"
    if card.data is None:
        yield "what it learnt from"
    if opened.report.missing:
        yield f"the values of {len(opened.report.missing)} variables, which are random"
    yield "how good it is, in figures with intervals"

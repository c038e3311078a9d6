"""From a finished pretraining to a card: its network, by which method it learnt from what, and whether that helped."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from regraft import importers
from regraft.core import plain
from regraft.core.card import DataFacts
from regraft.core.pretraining import Kind, PretrainingRecord
from regraft.formats.folders import is_pretraining
from regraft.recipes.cataloguing import networks
from regraft.recipes.cataloguing.networks import Described
from regraft.recipes.pretraining import folder as folders

_CALLED: Mapping[Kind, str] = {
    "pictures": "pictures",
    "numbers": "rows of numbers",
    "text": "texts",
    "table": "rows of a table",
}


def is_one(path: Path) -> bool:
    """Whether a path is the folder of a pretraining."""
    return is_pretraining(path)


def describe(folder: Path, name: str, trust: bool) -> Described:
    """The card and the parts of a pretrained network.

    Raises:
        RequestError: the pretraining is not finished.
        CorruptFileError: its network is truncated or was altered.
    """
    record = folders.read(folder)
    described = networks.describe(importers.open(folder, trust=trust), name, trust)
    examples = {"train": record.examples, "held out": record.held_out}
    card = replace(
        described.card,
        kind="pretraining",
        task="feature-extraction",
        summary=_summary(record),
        data=DataFacts(digest=record.asked.data_digest or "", examples=examples, name=Path(record.asked.data).name),
        environment=record.environment,
        origin=str(folder.absolute()),
        verdict=record.helped.sentence if record.helped is not None else "",
        pretraining={**plain.to_plain(record.asked), "helped": plain.to_plain(record.helped)},
    )
    return replace(described, card=card)


def _summary(record: PretrainingRecord) -> str:
    return f"pretrained by {record.asked.method} on {record.examples:,} {_CALLED[record.kind]}, without a task"

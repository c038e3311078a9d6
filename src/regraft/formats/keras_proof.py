"""The proof that `regraft convert --check` leaves in a `.keras` file, and whether it is still about that file."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

from regraft.core import digest
from regraft.core.errors import CorruptFileError

# The member that tells where the model is from, and those that hold the network.
INSIDE = "regraft.json"
MEMBERS = ("config.json", "model.weights.h5")
_KEPT = {"runtime": str, "backend": str, "examples": int, "tolerance": float, "error": float}


def kept(content: bytes, path: Path) -> Mapping[str, Any]:
    """The record in a file: what was converted and, where it was checked, the proof.

    Args:
        content: of the member `INSIDE`.
        path: for messages.

    Raises:
        CorruptFileError: it is no record.
    """
    try:
        found = json.loads(content)
    except ValueError as error:
        raise CorruptFileError(f"'{path}': '{INSIDE}' inside is no JSON ({error}); get the file again") from None
    if not isinstance(found, dict):
        raise CorruptFileError(f"'{path}': '{INSIDE}' inside is no record; get the file again")
    return cast(Mapping[str, Any], found)


def proof(record: Mapping[str, Any], opened: Callable[[str], BinaryIO]) -> dict[str, Any] | None:
    """What the record proves, in short; None where nothing was checked, or it is said in no form that is known.

    Args:
        record: see `kept`.
        opened: gives a member of the archive.

    Returns:
        Figures of the proof; `source`; and `whole`: whether the network is the one that was compared.
    """
    parity = record.get("parity")
    if not isinstance(parity, dict):
        return None
    stated = cast(dict[str, Any], parity)
    figures = {key: stated.get(key) for key in _KEPT}
    if not all(isinstance(figures[key], kind) for key, kind in _KEPT.items()):
        return None
    written = stated.get("written")
    sums = cast(dict[str, Any], written) if isinstance(written, dict) else {}
    whole = all(_checksum(opened, name) == sums.get(name) for name in MEMBERS)
    return {**figures, "source": str(record.get("source")), "whole": whole}


def _checksum(opened: Callable[[str], BinaryIO], name: str) -> str:
    with opened(name) as member:
        return digest.sha256(member)

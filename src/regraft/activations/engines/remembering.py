"""What was found out about engines, on disk: one machine gives one answer for one trunk, whoever asks and when.

A small file for each cut point beside the store of activations. It says which engine was chosen, and which engines were
proven equal or refused. Its name is the digest of all that the answer depends on: the trunk, the input convention, this
machine and the versions installed. Writers share nothing but the folder, and whoever comes second takes what is there.
"""

import contextlib
import json
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from regraft.core import digest, storage
from regraft.core.errors import StorageError

_FOLDER = "engines"
_FORMAT = 1


@dataclass(slots=True)
class Known:
    """What is known of one result of a trunk.

    Attributes:
        engine: the one that was chosen by measurement; None: none was yet.
        rates: examples per second, as measured then.
        proven: by engine, the largest relative difference from Keras.
        refused: by engine, why it may not be used.
    """

    engine: str | None = None
    rates: dict[str, float] = field(default_factory=dict[str, float])
    proven: dict[str, float] = field(default_factory=dict[str, float])
    refused: dict[str, str] = field(default_factory=dict[str, str])


def path_of(folder: Path, about: Mapping[str, Any]) -> Path:
    """The file for what an answer depends on, in a folder of the cache."""
    key = digest.of_json({"format": _FORMAT, "machine": machine(), **about})
    return folder / _FOLDER / f"{key}.json"


def nothing(folder: Path) -> bool:
    """Whether a folder of the cache has no answer at all."""
    return not (folder / _FOLDER).is_dir()


def read(path: Path) -> Known:
    """What is known; nothing, where the file is absent or damaged."""
    try:
        found = json.loads(path.read_text("utf-8"))["known"]
        return Known(found["engine"], dict(found["rates"]), dict(found["proven"]), dict(found["refused"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Known()


def write(path: Path, known: Known, about: Mapping[str, Any]) -> None:
    """Keep what is known, with what it depends on in words; a folder that cannot be written to is no error."""
    text = {
        "known": {
            "engine": known.engine,
            "rates": known.rates,
            "proven": known.proven,
            "refused": known.refused,
        },
        "about": {"machine": machine(), **about},
    }
    content = json.dumps(text, indent=2)
    with contextlib.suppress(StorageError):
        storage.write_with(path, lambda partial: partial.write_text(content, "utf-8"), durable=False)


@cache
def machine() -> str:
    """The processor and how many of them may be used: what rates depend on besides the software."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{platform.system()} {platform.machine()}, {count} x {_processor()}"


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "processor"

"""What is said of a state dict beside its tensors: in the file's name, in the file, in timm's `config.json`.

The layout of that file: https://huggingface.co/docs/timm/en/hf_hub.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any, cast

from regraft.core.tensors import TensorArchive

_CONFIG = "config.json"
# The names under which the Hugging Face Hub keeps weights; such a file has a configuration of its own beside it.
_OF_THE_HUB = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin")
_LONGEST = 1 << 20
_STATED = ("arch", "architecture", "model_name")


@dataclass(frozen=True, slots=True)
class Beside:
    """What was found.

    Attributes:
        texts: names of architectures, the file's own name among them.
        mean: of each channel, of pictures from 0 to 1; empty where nothing is said.
        deviation: likewise.
    """

    texts: tuple[str, ...]
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()


def beside(archive: TensorArchive, family: str) -> Beside:
    """What is said of a state dict.

    Args:
        archive: the file.
        family: that it was recognised as; a configuration of another family is of another file.
    """
    path = Path(str(archive.metadata.get("path", "")))
    values: Mapping[str, Any] = archive.metadata.get("values") or {}
    texts = [path.name, *(str(values[key]) for key in _STATED if key in values)]
    config = _config(path)
    stated = str(config.get("architecture", ""))
    if family.replace("_", "") not in stated.replace("_", ""):
        return Beside(tuple(texts))
    inner = config.get("pretrained_cfg")
    cfg = cast(Mapping[str, Any], inner) if isinstance(inner, Mapping) else config
    mean, deviation = _three(cfg.get("mean")), _three(cfg.get("std"))
    whole = mean and deviation and min(deviation) > 0
    return Beside((*texts, stated), mean if whole else (), deviation if whole else ())


def _config(path: Path) -> Mapping[str, Any]:
    file = path.parent / _CONFIG
    if path.name not in _OF_THE_HUB or not file.is_file() or file.stat().st_size > _LONGEST:
        return {}
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        return {}
    return cast(Mapping[str, Any], found) if isinstance(found, dict) else {}


def _three(values: Any) -> tuple[float, ...]:
    items = cast(list[Any], values) if isinstance(values, list) else []
    numbers = tuple(float(item) for item in items if isinstance(item, (int, float)) and isfinite(item))
    return numbers if len(numbers) == len(items) == 3 else ()

"""State dicts of PyTorch whose network is known by the names and shapes of its tensors: see `families`."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from regraft import formats
from regraft.core.errors import SourceError
from regraft.core.input_spec import InputSpec
from regraft.core.tensors import TensorArchive
from regraft.importers import families
from regraft.importers.families import Recognised
from regraft.importers.graphs import build, report
from regraft.importers.pretrained import Opened, Request


def handles(request: Request) -> bool:
    """Whether the source is a state dict of a known family."""
    if isinstance(request.source, keras.Model) or request.architecture is not None:
        return False
    path = Path(request.text)
    if not path.exists() or formats.sniff(path) not in families.FORMATS:
        return False
    return families.recognised(formats.read(path), request.input_size) is not None


def load(request: Request) -> Opened:
    """Build the network of Keras' layers, with the file's weights.

    Raises:
        ProofError: tensors are missing, too many, or of another shape.
        CorruptFileError: the file is truncated or was altered.
    """
    archive = formats.read(Path(request.text))
    found = families.recognised(archive, request.input_size)
    assert found is not None
    return drawn(archive, found, request.text)


def drawn(archive: TensorArchive, found: Recognised, text: str) -> Opened:
    """The network of a state dict that was recognised, with the archive's weights.

    Args:
        archive: the state dict.
        found: which network it is of.
        text: the source, for messages.
    """
    built = build.build(found.graph, text)
    if built.failed:
        node, reason = built.failed[0]
        raise SourceError(f"'{text}' cannot be built as {found.member.name}: {node.name}: {reason}")
    accounted = report.report(archive, built)
    counters = set(found.counters)
    accounted = dataclasses.replace(
        accounted,
        skipped=(*accounted.skipped, *found.counters),
        unused=tuple(name for name in accounted.unused if name not in counters),
        notes=(*found.notes, *accounted.notes),
    )
    return Opened(built.model, accounted, found.member.size, inputs=convention(found))


def described(archive: TensorArchive) -> str:
    """What is in a state dict that no family is known for, in words for a message."""
    known = ", ".join(family.NAME for family in families.FAMILIES)
    shown = [f"'{entry.name}' {' x '.join(map(str, entry.shape))}" for entry in archive.tensors.values()][:1]
    return f"{len(archive.tensors)} tensors ({', '.join([*shown, '...'])}) in no naming that is known (of {known})"


def convention(found: Recognised) -> InputSpec | None:
    """The input convention where it is stated beside the file; None where the names of layers must do."""
    if not found.beside.mean:
        return None
    channels, height, width = found.sketch.maps[found.graph.inputs[0].name]
    if channels is None or channels != len(found.beside.mean):
        return None
    pairs = list(zip(found.beside.mean, found.beside.deviation, strict=True))
    scale = tuple(1 / (255 * deviation) for _, deviation in pairs)
    offset = tuple(-mean / deviation for mean, deviation in pairs)
    stated = InputSpec((height, width, channels), scale, offset, name="config.json", origin="stated")
    named = [stated.with_convention(name, "stated") for name in ("torch", "tf", "unit")]
    return next((spec for spec in named if _same(spec, stated)), stated)


def _same(one: InputSpec, other: InputSpec) -> bool:
    pairs = ((one.scale, other.scale), (one.offset, other.offset))
    return all(np.allclose(mine, theirs, rtol=1e-6) for mine, theirs in pairs)

"""Which network a state dict is of: found by names and shapes alone, under any wrapper's prefix and any key."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType

from regraft.core.errors import ProofError, SourceError
from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.importers.families import (
    convnext,
    densenet,
    efficientnet,
    mobilenet_v2,
    resnet,
    resnet_cifar,
    vgg,
)
from regraft.importers.families.beside import Beside, beside
from regraft.importers.families.member import Hints, Member
from regraft.importers.families.sketch import Shape, Sketch
from regraft.importers.graphs.neutral import Graph

# The first that recognises a state dict draws it.
FAMILIES: tuple[ModuleType, ...] = (resnet, resnet_cifar, vgg, mobilenet_v2, densenet, efficientnet, convnext)
# Those that hold state dicts.
FORMATS = ("pytorch", "safetensors")

# What people's own modules call the network inside of them.
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.", "backbone.", "encoder.", "ema.", "student.")
_DEEPEST = 4
# No network of a family has fewer tensors.
_FEWEST = 12
_SHOWN = 3
# What the sets of tensors that were averaged over training are called.
_AVERAGED = ("ema", "averaged", "swa")


@dataclass(frozen=True, slots=True)
class Recognised:
    """A state dict whose network is known.

    Attributes:
        member: which network it is.
        graph: the network in neutral words.
        sketch: how it was drawn: shapes of values, and tensors that were asked for.
        entries: the tensors by the names that PyTorch's module gives them.
        beside: the input convention, where a `config.json` beside the file says it.
        notes: what was chosen or assumed.
    """

    member: Member
    graph: Graph
    sketch: Sketch
    entries: Mapping[str, TensorEntry]
    beside: Beside
    notes: tuple[str, ...]

    @property
    def counters(self) -> tuple[str, ...]:
        """The tensors of the file that are known and of no use: how many batches a normalisation has seen."""
        used = {tensor.source for tensor in self.graph.tensors.values()}
        return tuple(
            entry.name for name, entry in self.entries.items() if name in self.sketch.asked and entry.name not in used
        )


def recognised(archive: TensorArchive, input_size: int | None = None) -> Recognised | None:
    """The network that a state dict is of; None where no family has such names and shapes.

    Args:
        archive: of a format in `FORMATS`.
        input_size: height and width in pixels; None for those that the network was published for.

    Raises:
        ProofError: a family is recognised, and tensors are missing, too many, or of another shape.
        SourceError: several sets of tensors are recognised, or the pictures are too small.
    """
    if archive.format not in FORMATS:
        return None
    path = str(archive.metadata.get("path", "the file"))
    found = list(_found(archive.tensors))
    if not found:
        return None
    scope, prefix, family = _chosen(found, path)
    entries = _within(archive.tensors, scope, prefix)
    stated = beside(archive, family.NAME)
    sketch = Sketch(entries, input_size)
    member: Member = family.draw(sketch, Hints(stated.texts, input_size))
    _refuse_what_does_not_fit(sketch, member, path)
    graph = sketch.graph(member.name, member.output)
    notes = _notes(member, scope, prefix, archive.tensors, entries)
    return Recognised(member, graph, sketch, entries, stated, notes)


def _found(tensors: Mapping[str, TensorEntry]) -> Iterator[tuple[str, str, ModuleType]]:
    """Each set of tensors that is recognised: its key, the prefix of its names, the family."""
    sets: dict[str, dict[str, Shape]] = {}
    for name, entry in tensors.items():
        scope, _, inner = name.rpartition("/")
        sets.setdefault(scope, {})[inner] = entry.shape
    for scope, shapes in sets.items():
        for prefix in () if len(shapes) < _FEWEST else _prefixes(shapes):
            inside = {name[len(prefix) :]: shape for name, shape in shapes.items() if name.startswith(prefix)}
            family = next((family for family in FAMILIES if family.recognises(inside)), None)
            if family is not None:
                yield scope, prefix, family
                break


def _prefixes(shapes: Mapping[str, Shape]) -> Iterator[str]:
    """What may stand before the names: nothing, what all of them have in common, what wrappers usually are called."""
    yield ""
    prefix = ""
    for _ in range(_DEEPEST):
        parts = {name[len(prefix) :].partition(".")[0] for name in shapes}
        if len(parts) != 1:
            break
        prefix += f"{parts.pop()}."
        yield prefix
    firsts = {".".join(name.split(".", depth)[:depth]) + "." for name in shapes for depth in (1, 2)}
    yield from (first for first in _WRAPPERS if first in firsts)
    yield from (first + second for first in _WRAPPERS for second in _WRAPPERS if first + second in firsts)


def _within(tensors: Mapping[str, TensorEntry], scope: str, prefix: str) -> dict[str, TensorEntry]:
    """The tensors of a set by the names that they have in it; those without the prefix keep theirs."""
    start = len(scope) + 1 if scope else 0
    inside = {name[start:]: entry for name, entry in tensors.items() if name.rpartition("/")[0] == scope}
    return {name.removeprefix(prefix): entry for name, entry in inside.items()}


def _chosen(found: list[tuple[str, str, ModuleType]], path: str) -> tuple[str, str, ModuleType]:
    """The only set, or the only one that was averaged over training."""
    averaged = [item for item in found if any(word in item[0].lower() for word in _AVERAGED)]
    if len(found) == 1 or len(averaged) == 1:
        return found[0] if len(found) == 1 else averaged[0]
    keys = ", ".join(f"'{scope}'" for scope, _, _ in found)
    raise SourceError(f"expected one state dict in '{path}', found {len(found)}: {keys}; save the one that is wanted")


def _notes(
    member: Member, scope: str, prefix: str, tensors: Mapping[str, TensorEntry], entries: Mapping[str, TensorEntry]
) -> tuple[str, ...]:
    notes = [f"{member.name} by the names and shapes of its tensors, which are those of {member.naming}"]
    if prefix:
        notes.append(f"the prefix '{prefix}' was taken off the names")
    if len(entries) < len(tensors):
        notes.append(f"of several sets of tensors '{scope}' was taken")
    return (*notes, *member.notes)


def _refuse_what_does_not_fit(sketch: Sketch, member: Member, path: str) -> None:
    missing, extra, unfit = sketch.missing, sketch.extra, sketch.unfit
    if not (missing or extra or unfit):
        return
    parts = [f"{len(missing)} missing ({_some(missing)})"] if missing else []
    parts += [f"{len(extra)} that it does not have ({_some(extra)})"] if extra else []
    parts += [f"{len(unfit)} of another shape ({_some(unfit)})"] if unfit else []
    raise ProofError(
        f"'{path}' looks like {member.name} in the names of {member.naming}; expected its tensors and no others, found "
        f"{'; '.join(parts)}; save the whole state dict of that network, or say what builds yours with --architecture "
        "package.module:function"
    )


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")

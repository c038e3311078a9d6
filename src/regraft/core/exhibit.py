"""What the page of a catalogue shows: a line of each model, and how near each is to somebody's data."""

from dataclasses import dataclass

from regraft.core.card import Card, Kind
from regraft.core.metric import Metric


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """How near a model is to data.

    Attributes:
        same_examples: whether it learnt from these very examples.
        classes: those of the data that it knows by name.
        score: what `regraft.rank` says of it: the accuracy of a quick classifier on its activations of a sample,
            corrected by other scores; None where it was not tried.
        cut_point: on whose activations that classifier stood.
        note: why it was not tried, or what else one should know.
    """

    same_examples: bool = False
    classes: tuple[str, ...] = ()
    score: Metric | None = None
    cut_point: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A model as the page shows it.

    Attributes:
        name: in the catalogue.
        version: of it.
        kind: what it was added from.
        created: when it was added, ISO 8601.
        summary: what it is.
        task: what it does.
        classes: of its answers.
        outputs: length of an answer; None where it gives none.
        shape: of its input; empty where that is not one tensor.
        convention: of its input.
        parameters: elements of all variables.
        bytes: of its layers.
        flops: for one example; None where sizes are open.
        layers: how many there are.
        cut_points: likewise.
        accuracy: as measured; None where it was not.
        measured_on: the split, and how many examples it has.
        data: what it learnt from.
        licence: under which it may be used.
        citation: what to cite.
        tags: words to find it by.
        source: what it was made of, as it was said; empty where nobody knows.
        parent: `NAME@VERSION` of that in the catalogue.
        cut_point: below it the source's layers were taken.
        reused: how many layers of the source are in it.
        thawed: how many of them learnt.
        shared: how many are the parent's, byte for byte.
        optimizer: whose state is kept; empty where none is.
        proof: whether frozen variables did not move; None where there is no certificate.
        verdict: whether reuse helped.
        kinship: how near it is to the data that was asked about.
    """

    name: str
    version: int
    kind: Kind
    created: str
    summary: str
    task: str
    classes: tuple[str, ...]
    outputs: int | None
    shape: tuple[int, ...]
    convention: str
    parameters: int
    bytes: int
    flops: int | None
    layers: int
    cut_points: int
    accuracy: Metric | None
    measured_on: str
    data: str
    licence: str
    citation: str
    tags: tuple[str, ...]
    source: str
    parent: str
    cut_point: str
    reused: int
    thawed: int
    shared: int
    optimizer: str
    proof: bool | None
    verdict: str
    kinship: Kinship | None = None

    @property
    def address(self) -> str:
        """What it is asked for by."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedData:
    """The data that models are compared with.

    Attributes:
        name: of it.
        examples: how many.
        classes: their names.
        tried: how many examples the quick classifiers saw; 0 where none was tried.
    """

    name: str
    examples: int
    classes: tuple[str, ...]
    tried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibition:
    """A catalogue as its page shows it.

    Attributes:
        catalogue: its address.
        exhibits: its models.
        data: that they are compared with; None where none was given.
        warnings: what could not be shown, and why.
    """

    catalogue: str
    exhibits: tuple[Exhibit, ...]
    data: AskedData | None = None
    warnings: tuple[str, ...] = ()


def exhibit(card: Card, kinship: Kinship | None = None) -> Exhibit:
    """What the page shows of a card.

    Args:
        card: of the model.
        kinship: to the data that was asked about.
    """
    split = card.judged_on or next(iter(card.metrics), "")
    metrics, lineage, net = card.metrics.get(split), card.lineage, card.architecture
    return Exhibit(
        name=card.name,
        version=card.version,
        kind=card.kind,
        created=card.created,
        summary=card.summary,
        task=card.task,
        classes=card.classes,
        outputs=card.outputs,
        shape=card.inputs.shape if card.inputs is not None else (),
        convention=card.inputs.name if card.inputs is not None else "",
        parameters=net.parameters,
        bytes=net.bytes,
        flops=net.flops,
        layers=len(net.layers),
        cut_points=len(card.cut_points),
        accuracy=metrics.accuracy if metrics is not None else None,
        measured_on=f"{metrics.examples} {split} examples" if metrics is not None else "",
        data=_data(card),
        licence=card.licence,
        citation=card.citation,
        tags=card.tags,
        source=lineage.source if lineage is not None else "",
        parent=lineage.parent if lineage is not None else "",
        cut_point=lineage.cut_point if lineage is not None else "",
        reused=len(lineage.reused) if lineage is not None else 0,
        thawed=len(lineage.thawed) if lineage is not None else 0,
        shared=lineage.shared if lineage is not None else 0,
        optimizer=", ".join(card.optimizer.kinds) if card.optimizer is not None else "",
        proof=card.certificate.frozen_unchanged if card.certificate is not None else None,
        verdict=card.verdict,
        kinship=kinship,
    )


def _data(card: Card) -> str:
    if card.data is None:
        return ""
    counts = ", ".join(f"{count} {split}" for split, count in card.data.examples.items())
    return f"{card.data.name or 'examples'} ({counts})" if counts else card.data.name

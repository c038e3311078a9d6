"""From a finished run to a card: its model, how good it is, and what it was made of."""

from dataclasses import replace
from pathlib import Path

from regraft.catalogue import Catalogue
from regraft.core import plan as plans
from regraft.core.card import DataFacts, Lineage
from regraft.core.input_spec import InputSpec
from regraft.core.optimizer_state import OptimizerState
from regraft.core.records import RunRecord
from regraft.formats import optimizer_states
from regraft.importers import keras_file
from regraft.importers.pretrained import Opened, Pretrained, Request
from regraft.recipes import run_folder
from regraft.recipes.cataloguing import lineage, networks
from regraft.recipes.cataloguing.networks import Described


def is_one(path: Path) -> bool:
    """Whether a path is the folder of a finished run."""
    return (path / run_folder.RECORD).is_file()


def describe(folder: Path, catalogue: Catalogue, name: str, trust: bool) -> tuple[Described, OptimizerState | None]:
    """The card and the parts of a run's model, and what its optimizers had learnt.

    Args:
        folder: of the run.
        catalogue: in which its source is looked for.
        name: that the model is to have.
        trust: let Python code in the model run.

    Raises:
        RequestError: the folder holds no finished run, or a model with code in it that is not trusted.
        CorruptFileError: its model is truncated or was altered.
    """
    record = run_folder.read(folder)
    model = str(run_folder.require_model(folder))
    opened = keras_file.load(Request(model, model, trust=trust))
    described = networks.describe(_pretrained(opened, record, folder), name, trust)
    data = DataFacts(
        digest=record.plan.data_digest or "",
        examples=record.data.examples,
        per_class=record.data.per_class,
        name=Path(record.plan.data).name,
    )
    found = lineage.parent(record, described.card, catalogue)
    card = replace(
        described.card,
        kind="run",
        summary=_summary(record, data),
        data=data,
        metrics=record.metrics,
        lineage=_lineage(record, found),
        environment=record.environment or described.card.environment,
        load=record.load,
        certificate=record.certificate,
        plan=plans.to_toml(record.plan),
        origin=str(folder.absolute()),
        verdict=record.verdict,
    )
    state = folder / run_folder.OPTIMIZER
    return replace(described, card=card), optimizer_states.read(state) if state.is_file() else None


def takes(said: InputSpec) -> InputSpec:
    """What a run's model takes: raw examples, which it prepares itself, best of the size that it was trained with."""
    return replace(said, scale=(1.0,), offset=(0.0,), order="rgb", name="raw", origin="stated")


def _pretrained(opened: Opened, record: RunRecord, folder: Path) -> Pretrained:
    said = record.plan.input
    inputs = InputSpec(tuple(size or 0 for size in opened.model.inputs[0].shape[1:])) if said is None else takes(said)
    return Pretrained(opened.model, inputs, opened.report, str(folder), record.classes)


def _summary(record: RunRecord, data: DataFacts) -> str:
    judged = record.metrics[record.evaluated_on].accuracy.value
    return (
        f"{len(record.classes)} classes of {data.name or 'examples'}, {100 * judged:.1f} % right on "
        f"{record.evaluated_on}, made of {record.plan.source}"
    )


def _lineage(record: RunRecord, found: lineage.Parent) -> Lineage:
    new = set(record.new_variables)
    learnt = [name for name in record.trainable_variables if name not in new]
    return Lineage(
        source=record.plan.source,
        digest=found.digest,
        parent=found.address,
        cut_point=record.cut_point,
        reused=record.reused_layers,
        frozen=_layers(record.frozen_variables),
        thawed=_layers(learnt),
        shared=found.shared,
    )


def _layers(variables: "tuple[str, ...] | list[str]") -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.rpartition("/")[0] for name in variables))

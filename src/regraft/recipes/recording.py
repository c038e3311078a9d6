"""The record of a run, and the pages made of it."""

import importlib.metadata
import platform
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np

from regraft import report
from regraft.core import metrics, verdict
from regraft.core.depth import DepthRecord
from regraft.core.evidence import Evidence
from regraft.core.records import CacheUse, Certificate, Drift, RunRecord
from regraft.graph import names
from regraft.importers import Pretrained
from regraft.recipes import judging, mapping, picturing, run_folder
from regraft.recipes.baselines import Compared
from regraft.recipes.clock import Clock
from regraft.recipes.depth import recording as searches
from regraft.recipes.depth.folder import PAGE
from regraft.recipes.fine_tuning import Branch
from regraft.recipes.judging import Judged
from regraft.recipes.similarity import similarities
from regraft.recipes.survey import Survey
from regraft.surgery.graft import of_source
from regraft.training.certificates import drift

if TYPE_CHECKING:
    from regraft.recipes.choosing import Chosen


def record(
    pretrained: Pretrained,
    found: Survey,
    chosen: "Chosen",
    branch: Branch,
    judged: Judged,
    compared: Compared,
    certificate: Certificate,
    model: keras.Model,
    folder: Path,
    clock: Clock,
    warnings: tuple[str, ...],
) -> RunRecord:
    """Everything that the run is known by."""
    labels = found.examples.labels[judged.indices]
    accuracy = judged.metrics[judged.split].accuracy
    source = names.variables(pretrained.model)
    # `trunk/...` and `branch/...`: which part a variable of the source went into.
    parts = [name.partition("/") for name in names.variables(model) if "seed_generator" not in name]
    inside = {name: part for part, _, name in parts if name}
    used = found.activations
    reused = of_source(inside, source, chosen.plan.head.layers)
    learnt = [name for name in branch.learnt if name in inside]
    frozen = [name for name in reused if inside[name] == run_folder.TRUNK or name in branch.frozen]
    return RunRecord(
        run=str(folder),
        model=str(folder / run_folder.MODEL),
        report=str(folder / run_folder.REPORT),
        classes=found.examples.classes,
        cut_point=chosen.plan.cut_point,
        trained_from=chosen.plan.cut_point if branch.head is not None else branch.from_cut,
        reused_layers=tuple(dict.fromkeys(name.rpartition("/")[0] for name in reused)),
        frozen_variables=tuple(frozen),
        trainable_variables=tuple(learnt),
        metrics=judged.metrics,
        baselines=compared.baselines,
        transfer_gain=compared.gains.get("scratch"),
        evaluated_on=judged.split,
        verdict=verdict.sentence(accuracy, f"{judged.split} examples", compared.gains, compared.baselines),
        load=pretrained.report,
        certificate=certificate,
        cache=CacheUse(used.bytes + branch.bytes, used.hits + branch.hits, used.computed + branch.computed),
        seconds=clock.seconds(),
        probes=chosen.probes,
        history=branch.history,
        confusion=metrics.confusion(labels, np.argmax(judged.probabilities, axis=1), len(found.examples.classes)),
        calibration=metrics.calibration_bins(judged.probabilities, labels),
        mistakes=judging.mistakes(found, judged),
        drift=_drift(pretrained, branch, frozen, chosen.plan.head.layers),
        warnings=warnings,
        data=found.examples.summary(),
        plan=replace(chosen.plan, input=pretrained.inputs, fine_tune=branch.spec or chosen.plan.fine_tune),
        environment=environment(),
        activations=replace(found.kept, from_lower=used.from_lower + branch.from_lower),
        phases=branch.phases,
        interrupted=branch.interrupted,
        found_rates=branch.found_rates,
        similarity=similarities(pretrained, found, chosen.plan, branch, judged.indices),
        gains=compared.gains,
    )


def finish(
    folder: Path,
    made: RunRecord,
    found: Survey,
    branch: Branch,
    judged: Judged,
    clock: Clock,
    search: DepthRecord | None,
) -> RunRecord:
    """Draw the report and write everything down, with the search that led to the run, if there was one.

    Returns:
        The record with the time of that in it.
    """
    examples = found.examples
    answers = picturing.answered(examples, judged.indices, judged.probabilities)
    drawn = mapping.mapped(found, made.plan, branch, judged.indices)
    shown = picturing.pictures(examples, judged.indices, answers, drawn)
    ids = [*(mistake.id for mistake in made.mistakes), *report.doubtful_ids(made)]
    evidence = Evidence(answers, drawn, shown, picturing.thumbnails(examples, ids), picturing.texts(examples, ids))
    made = replace(made, seconds=clock.seconds())
    if search is not None:
        search = searches.fitted(search, made)
        searches.write(folder, search)
    run_folder.finish(
        folder,
        made,
        evidence,
        report.page(made, evidence.thumbnails, evidence, search, None if search is None else PAGE),
        report.card(made),
        report.history_csv(made),
    )
    return made


def environment() -> dict[str, str]:
    """Versions and machine."""
    packages = ("regraft", "keras", keras.backend.backend(), "numpy", "scikit-learn", "pillow")
    versions = {name: _version(name) for name in packages}
    return {**versions, "python": platform.python_version(), "machine": f"{platform.system()} {platform.machine()}"}


def _version(package: str) -> str:
    for name in (package, f"{package}-cpu"):
        try:
            return importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return "unknown"


def _drift(pretrained: Pretrained, branch: Branch, frozen: list[str], new: tuple[str, ...]) -> tuple[Drift, ...]:
    """Drift of the reused layers from the input upwards; the certificate proves that the trunk did not move."""
    above = drift(pretrained.model, branch.model, frozen, new)
    moved = {item.layer for item in above}
    below = dict.fromkeys(name.rpartition("/")[0] for name in frozen)
    return (*(Drift(layer, 0.0, True) for layer in below if layer not in moved), *above)

"""The main job: a pretrained network and labelled examples in, a deployable model and its proof out."""

from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import keras
import numpy as np

from regraft.activations.loading import load_prepared
from regraft.activations.store import Store
from regraft.core import memory
from regraft.core.depth import DepthRecord
from regraft.core.errors import SourceError
from regraft.core.plan import Plan
from regraft.core.progress import collecting_warnings, say, warn
from regraft.core.records import RunRecord
from regraft.data import Examples
from regraft.data.decode import at_least
from regraft.formats import optimizer_states
from regraft.graph import flow
from regraft.graph.cut_points import is_input
from regraft.importers import Pretrained, require_picture
from regraft.importers.wrong_input import judge
from regraft.recipes import baselines, judging, new_layers, recording, run_folder
from regraft.recipes.choosing import Chosen, choose, fit
from regraft.recipes.clock import Clock
from regraft.recipes.depth import folder as searches
from regraft.recipes.depth.timing import Deadline
from regraft.recipes.doubting import doubt
from regraft.recipes.fine_tuning import Branch, better, fine_tune, head_branch, labelled, refit
from regraft.recipes.half_trained import in_joined
from regraft.recipes.reaching import reach
from regraft.recipes.survey import Survey, survey
from regraft.surgery.cut import trunk_of
from regraft.surgery.graft import join
from regraft.training.certificates import certify, require

Array = np.ndarray[Any, Any]

_LOOKED_AT = 16


def transfer(
    pretrained: Pretrained,
    examples: Examples,
    plan: Plan,
    folder: Path,
    store: Store,
    clock: Clock | None = None,
    warned: tuple[str, ...] = (),
    deadline: Deadline | None = None,
    search: DepthRecord | None = None,
) -> tuple[keras.Model, RunRecord]:
    """Reuse a network for new examples.

    One pass of the frozen trunk; the cut point chosen by probes; the head fitted, new layers trained where the plan has
    any; the upper reused layers fine-tuned where validation says that it helps; trunk, branch and preprocessing joined;
    what was frozen certified; everything written to the run folder.

    Args:
        pretrained: the source, built for the plan's picture size; not changed.
        examples: at least two classes with training examples.
        plan: what is not open in it is obeyed.
        folder: of the run.
        store: of activations.
        clock: with the time of opening in it, and that of the search.
        warned: what was warned of before, for the record.
        deadline: when to be done; a baseline that would take longer is left out, where the plan leaves that open.
        search: what the plan was found by, if it was: its record goes into the run folder at once, and its page in the
            end.

    Returns:
        The deployable model, and the record of the run.

    Raises:
        SourceError: the network does not suit the examples, or the plan's cut points do not exist.
        DataError: too few examples can be read.
        ProofError: a frozen variable moved.
        StorageError: the disk refused.
    """
    clock = clock or Clock()
    with collecting_warnings() as warnings, run_folder.held(folder):
        run_folder.begin(folder, plan)
        searches.keep(folder, search)
        with clock.stage("activations"):
            check_inputs(pretrained, examples)
            found = survey(pretrained, examples, plan, store)
            memory.release()
        with clock.stage("head"):
            chosen = choose(pretrained, found, plan)
        with clock.stage("activations"):
            found, chosen = reach(pretrained, found, plan, chosen, store)
        with clock.stage("head"):
            chosen = new_layers.learn(pretrained, found, chosen, folder / run_folder.NEW_LAYERS)
        with clock.stage("fine_tune"):
            selected = grow(pretrained, found, chosen, folder)
            new_layers.tell(chosen, selected)
            branch = finished(pretrained, found, chosen, selected, folder)
            memory.release()
        judged = judging.judge(found, selected, branch, chosen.plan)
        with clock.stage("baselines"):
            # Whoever ended the training does not want to wait for another.
            wanted = replace(chosen.plan, baselines="no") if branch.interrupted else chosen.plan
            until = deadline or Deadline(None)
            compared = baselines.compare(pretrained, found, wanted, judged, lambda: until.for_comparing)
            compared = replace(compared, baselines=compared.baselines | new_layers.yardstick(found, chosen, judged))
            memory.release()
        with clock.stage("doubts"), at_least(pretrained.inputs.draft_side):
            learnt = learnt_from(found, chosen.plan, judged.split, branch)
            doubtful = doubt(found, chosen.plan, judged, learnt)
        with clock.stage("join"):
            at_input = is_input(flow.read(pretrained.model), branch.from_cut)
            trunk = None if at_input else trunk_of(pretrained.model, branch.from_cut)
            model = join(trunk, branch.model, pretrained.inputs, examples.full_intensity)
            proof = certify(pretrained.model, model, trunk, branch.frozen)
            require(proof)
        with clock.stage("report"), at_least(pretrained.inputs.draft_side):
            record = recording.record(
                pretrained, found, chosen, branch, judged, compared, proof, model, folder, clock, (*warned, *warnings)
            )
            record = replace(record, doubts=doubtful.doubts, doubt_search=doubtful.search, twins=doubtful.twins)
            run_folder.save_model(folder, model, record)
            if branch.state is not None:
                optimizer_states.write(folder / run_folder.OPTIMIZER, in_joined(branch.state, branch.learnt))
            record = recording.finish(folder, record, found, branch, judged, clock, search)
    return model, record


def check_inputs(pretrained: Pretrained, examples: Examples) -> None:
    """Refuse examples that the network cannot take; warn when they seem to come in the wrong range or channel order.

    Raises:
        SourceError: the network takes something else.
    """
    inputs = pretrained.inputs
    if examples.columns is not None:
        return
    if examples.shape is not None and inputs.shape and prod(examples.shape) == prod(inputs.shape):
        fits = True
    elif examples.shape is None or len(examples.shape) == 3:
        require_picture(pretrained)
        fits = True
    else:
        fits = False
    if not fits:
        raise SourceError(
            f"expected examples of shape {inputs.shape}, which '{pretrained.source}' takes, found {examples.shape} in "
            f"'{examples.origin}'"
        )
    if inputs.is_picture:
        _check_range(pretrained, examples)


def _check_range(pretrained: Pretrained, examples: Examples) -> None:
    first = examples.indices("train")[:_LOOKED_AT]
    prepared = [raw for _, raw in load_prepared(examples, first, pretrained.inputs) if isinstance(raw, np.ndarray)]
    if not prepared:
        return
    verdict = judge(pretrained.model, pretrained.inputs, np.stack(prepared) * (255.0 / examples.full_intensity))
    if verdict is not None and verdict.warning is not None:
        warn(verdict.warning)


def grow(pretrained: Pretrained, found: Survey, chosen: Chosen, folder: Path) -> Branch:
    """The head alone, or the fine-tuned branch where that is better on validation."""
    spec, alone = chosen.plan.fine_tune, chosen.branch
    if spec.enabled == "no" or alone.interrupted:
        return alone
    if spec.enabled == "auto" and not len(found.examples.indices("validation")):
        say("no fine-tuning: without validation examples nothing could tell whether it helps")
        return alone
    tuned = fine_tune(pretrained, found, chosen.plan, alone, folder / run_folder.CHECKPOINT)
    if better(alone, tuned, always=spec.enabled == "yes"):
        return tuned
    return replace(
        alone,
        history=tuned.history,
        phases=tuned.phases,
        interrupted=tuned.interrupted,
        found_rates=tuned.found_rates,
        spec=tuned.spec,
        computed=tuned.computed,
        from_lower=tuned.from_lower,
        hits=tuned.hits,
        bytes=tuned.bytes,
    )


def learnt_from(found: Survey, plan: Plan, judged: str, branch: Branch) -> Array:
    """Indices of the examples that what is judged on a split has learnt from."""
    training, validation = (found.examples.indices(split) for split in ("train", "validation"))
    refitted = plan.refit != "no" and not branch.interrupted
    return np.concatenate([training, validation]) if refitted and judged == "test" else training


def finished(pretrained: Pretrained, found: Survey, chosen: Chosen, branch: Branch, folder: Path) -> Branch:
    """The branch after it has learnt from the validation examples too, where the plan says so."""
    plan = chosen.plan
    if plan.refit == "no" or branch.interrupted or not len(found.examples.indices("validation")):
        return branch
    if plan.head.hidden:
        alone = new_layers.learn_from_all(pretrained, found, plan, chosen.branch, folder / run_folder.NEW_LAYERS_REFIT)
        branch = replace(
            branch,
            history=(*branch.history, *alone.history),
            phases=(*branch.phases, *alone.phases),
            interrupted=alone.interrupted,
        )
        if branch.head is None and branch.interrupted:
            return branch
        head = alone.head
    else:
        head = fit(found, plan, labelled(found))
    assert head is not None
    if branch.head is None:
        return refit(pretrained, found, plan, branch, head, folder / run_folder.REFIT_CHECKPOINT)
    return replace(branch, model=head_branch(pretrained, found, plan, head, branch.chosen).model, head=head)

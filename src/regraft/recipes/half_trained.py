"""Going on with a network that was in training: what its optimizer had learnt comes with it."""

from collections.abc import Collection
from pathlib import Path

from regraft import formats
from regraft.core.errors import RegraftError
from regraft.core.optimizer_state import OptimizerState
from regraft.core.phase import Phase
from regraft.core.progress import say, warn
from regraft.formats import optimizer_states
from regraft.graph import names
from regraft.importers import Pretrained
from regraft.importers.optimizer_state.reading import optimizer_state
from regraft.recipes import run_folder

_BRANCH = "branch/"


def learnt_before(pretrained: Pretrained, phase: Phase) -> OptimizerState | None:
    """What the source's own optimizer had learnt: from its file, or from the one beside the model of a run.

    A state that cannot be read or attributed is no reason to stop: training begins anew then, and says so.

    Args:
        pretrained: the source.
        phase: the first one; where it resets all states, none is read.
    """
    path = _file(pretrained.source)
    if path is None or (phase.state == "reset" and not phase.state_rules):
        return None
    try:
        found = optimizer_state(path)
    except RegraftError as error:
        warn(f"the optimizer's state in '{path}' is not used: {error}")
        return None
    own = names.variables(pretrained.model)
    kept = {name: item for name, item in found.variables.items() if name in own}
    if not kept:
        return None
    say(f"the optimizer's state of {len(kept)} variables comes with the source")
    return OptimizerState(kept, found.origin, found.notes)


def in_joined(state: OptimizerState, learnt: Collection[str]) -> OptimizerState:
    """The state of a branch's variables that learnt, by the names that they have in the deployable model."""
    named = {f"{_BRANCH}{name}": item for name, item in state.variables.items() if name in learnt}
    return OptimizerState(named, state.origin, state.notes)


def _file(source: str) -> Path | None:
    """The file that holds the state of the optimizer of a source; None where there is none."""
    path = Path(source)
    beside = path.with_name(run_folder.OPTIMIZER)
    if path.name == run_folder.MODEL and optimizer_states.is_one(beside):
        return beside
    try:
        return path if path.exists() and formats.read(path).optimizer is not None else None
    except (RegraftError, OSError):
        # An address, or a file that only its importer knows how to read.
        return None

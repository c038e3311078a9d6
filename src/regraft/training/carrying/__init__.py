"""What becomes of an optimizer's state where a phase begins."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from regraft.core.optimizer_state import Carried, OptimizerState
from regraft.core.phase import Phase

Array = np.ndarray[Any, Any]


def plan(
    kept: OptimizerState | None,
    learning: Mapping[str, float],
    phase: Phase,
    samples: Callable[[int], Iterator[Mapping[str, Array]]],
) -> tuple[OptimizerState, tuple[Carried, ...]]:
    """The state that the phase's optimizer begins with: what was kept of its kind, and nothing else."""
    before = kept.variables if kept and phase.state != "reset" else {}
    own = {name: before[name] for name in learning if name in before and before[name].kind == phase.optimizer.lower()}
    rows = [
        Carried(name, "keep", own[name].kind, phase.optimizer, own[name].steps)
        if name in own
        else Carried(name, "reset", "", phase.optimizer, 0)
        for name in learning
    ]
    return OptimizerState(own), tuple(rows)

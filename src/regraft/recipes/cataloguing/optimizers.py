"""The state of an optimizer as a part of the catalogue."""

import tempfile
from dataclasses import replace
from pathlib import Path

from regraft.catalogue.parts import digest_of
from regraft.core.card import OptimizerFacts
from regraft.core.optimizer_state import OptimizerState
from regraft.formats import optimizer_states


def to_bytes(state: OptimizerState) -> bytes:
    """The file of a state, without where it is from: equal states make equal parts."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "optimizer.npz"
        optimizer_states.write(path, replace(state, origin=""))
        return path.read_bytes()


def facts(state: OptimizerState, content: bytes) -> OptimizerFacts:
    """What a card says of a state."""
    each = list(state.variables.values())
    return OptimizerFacts(
        kinds=tuple(sorted({own.kind for own in each})),
        slots=tuple(sorted({slot for own in each for slot in own.slots})),
        variables=len(each),
        steps=max((own.steps for own in each), default=0),
        digest=digest_of(content),
        bytes=len(content),
    )

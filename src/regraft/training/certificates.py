"""Proof that what was frozen did not move."""

from collections import Counter
from collections.abc import Mapping, Sequence

import keras
import numpy as np

from regraft.core import digest
from regraft.core.blocks import HEAD
from regraft.core.errors import ProofError
from regraft.core.records import Certificate, Drift, PhaseCertificate
from regraft.graph import names
from regraft.graph.digest import of_variable
from regraft.surgery.graft import of_source


def certify(
    source: keras.Model, joined: keras.Model, trunk: keras.Model | None, also: Sequence[str] = ()
) -> Certificate:
    """Compare the bytes of frozen variables, BatchNorm statistics included, in the source and in the joined model.

    Args:
        source: the pretrained network.
        joined: a model made by `surgery.graft.join`.
        trunk: what was frozen whole: its variable names are compared; None where the branch begins at the input.
        also: names of variables of the branch that were frozen too.
    """
    before, after = names.variables(source), names.variables(joined)
    pairs = {name: f"trunk/{name}" for name in (names.variables(trunk) if trunk else ())} | {
        name: f"branch/{name}" for name in also
    }
    # The seed of a layer's noise is no weight: Keras draws it anew whenever it opens a file.
    pairs = {name: place for name, place in pairs.items() if "seed_generator" not in name}
    digests = {name: of_variable(before[name]) for name in pairs}
    changed = tuple(name for name, place in pairs.items() if of_variable(after[place]) != digests[name])
    whole = digest.of_strings(part for name in sorted(digests) for part in (name, digests[name]))
    return Certificate(not changed, len(pairs), whole, changed)


def require(certificate: Certificate) -> None:
    """Refuse to go on when a frozen variable moved.

    Raises:
        ProofError: it did.
    """
    if not certificate.frozen_unchanged:
        raise ProofError(
            f"{len(certificate.changed)} of {certificate.variables} frozen variables moved, first "
            f"'{certificate.changed[0]}'; this is a fault of Regraft, or of a layer that changes its weights "
            "in inference"
        )


def certify_phase(
    phase: str,
    before: keras.Model,
    after: keras.Model,
    learning: Mapping[str, float],
    frozen: Sequence[str],
    owned: Sequence[str],
) -> PhaseCertificate:
    """What a phase moved, and proof that it moved nothing else.

    Args:
        phase: its name.
        before: the branch that it began with.
        after: the branch that it ended with.
        learning: names of the variables that had a rate.
        frozen: names of those that had to stay.
        owned: names of the variables that optimizers had, each as often as one had it.

    Raises:
        ProofError: a frozen variable moved, or a variable had no optimizer or two.
    """
    old, new = names.variables(before), names.variables(after)
    digests = {name: of_variable(old[name]) for name in [*frozen, *learning]}
    same = {name for name in digests if of_variable(new[name]) == digests[name]}
    counts = Counter(owned)
    layers = _by_layer([*learning])
    made = PhaseCertificate(
        phase,
        same.issuperset(frozen),
        len(frozen),
        digest.of_strings(part for name in sorted(frozen) for part in (name, digests[name])),
        tuple(name for name in frozen if name not in same),
        len(learning),
        tuple(name for name in learning if name in same),
        tuple(Drift(layer, _relative_change(old, new, members), False) for layer, members in layers.items()),
        tuple(name for name in learning if not counts[name]),
        tuple(name for name, count in counts.items() if count > 1),
    )
    if not made.holds:
        found = (*made.changed, *made.ungrouped, *made.grouped_twice)
        raise ProofError(
            f"phase '{phase}' is not what it was to be: {len(made.changed)} frozen variables moved, "
            f"{len(made.ungrouped)} that learn had no optimizer, {len(made.grouped_twice)} had two; first "
            f"'{found[0]}'; this is a fault of Regraft, or of a layer that changes its weights by itself"
        )
    return made


def drift(
    source: keras.Model, branch: keras.Model, frozen: Sequence[str], new: Sequence[str] = (HEAD,)
) -> tuple[Drift, ...]:
    """How far each reused layer of a branch moved: the norm of its change relative to the norm of its values before.

    Args:
        source: the pretrained network.
        branch: its layers, after training, and new ones above them.
        frozen: names of variables that did not learn.
        new: names of the new layers.
    """
    before, after = names.variables(source), names.variables(branch)
    layers = _by_layer([name for name in of_source(after, before, new) if "seed_generator" not in name])
    still = set(frozen)
    return tuple(
        Drift(layer, _relative_change(before, after, members), still.issuperset(members))
        for layer, members in layers.items()
    )


def _by_layer(variables: Sequence[str]) -> dict[str, list[str]]:
    layers: dict[str, list[str]] = {}
    for name in variables:
        layers.setdefault(name.rpartition("/")[0], []).append(name)
    return layers


def _relative_change(
    source: Mapping[str, keras.Variable], result: Mapping[str, keras.Variable], members: list[str]
) -> float:
    before = [np.asarray(keras.ops.convert_to_numpy(source[name]), np.float64).ravel() for name in members]
    after = [np.asarray(keras.ops.convert_to_numpy(result[name]), np.float64).ravel() for name in members]
    old, new = np.concatenate(before), np.concatenate(after)
    return float(np.linalg.norm(new - old) / max(np.linalg.norm(old), 1e-12))

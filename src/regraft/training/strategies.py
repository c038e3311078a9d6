"""Ready-made plans: which phases a strategy makes of the layers that a network lends, and of what the phases share.

Each strategy is a function from the reused layers and the spec to phases with their rates written out. It knows names
only, so that a plan can be checked before a framework is loaded. Where the rate is still to be found, the rates are
proportions of it.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from os.path import commonprefix

from regraft.core.blocks import HEAD, Block, Layer, Reused
from regraft.core.errors import RequestError, nearest
from regraft.core.phase import BatchNorm, Phase, Rate
from regraft.core.plan import AUTO, FineTuneSpec

# ULMFiT: each group of layers learns at this part of the rate of the one above it (Howard and Ruder 2018).
_DISCRIMINATIVE = 1 / 2.6
# Hybrid: what stands between the last block and the frozen ones.
_GENTLE = 0.1
_LAST = re.compile(r"last-([1-9]\d*)")
_SURGICAL = re.compile(r"surgical-(.+)")


@dataclass(frozen=True, slots=True)
class Strategy:
    """A ready-made plan.

    Attributes:
        says: what it does, in a line.
        make: from the reused layers and what all phases share, the phases; none: the head learns alone.
    """

    says: str
    make: Callable[[Reused, FineTuneSpec], tuple[Phase, ...]]


def feature_extraction(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
    """No phases: the head is fitted, and all below it is frozen."""
    return ()


def head_then_fine_tune(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
    """One phase of all layers of the branch, whose rates are written out with it (LP-FT, Kumar et al. 2022)."""
    return (Phase.of(spec),)


def last(number: int) -> Callable[[Reused, FineTuneSpec], tuple[Phase, ...]]:
    """The strategy that lets the last layers learn, so many as `model.layers[-number:]` of what is reused."""

    def make(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
        if number > len(reused.layers):
            raise RequestError(
                f"expected last-1 to last-{len(reused.layers)}, found last-{number}: that is how many layers stand "
                f"below the head at '{reused.below}'; for all of them say whole-network"
            )
        chosen = reused.layers[-number:]
        if not any(_learns(layer, spec.batch_norm) for layer in chosen):
            kernels = [place for place, layer in enumerate(reversed(reused.layers), 1) if layer.kernel]
            least = f"; the highest layer with weights is number {kernels[0]}" if kernels else ""
            raise RequestError(f"none of the last {number} layers below '{reused.below}' can learn{least}")
        return (_phase(f"last-{number}", spec, reused, _decayed(chosen, spec)),)

    return make


def whole_network(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
    """One phase of all layers down to the network's input, each at `layer_decay` of the rate of the one above it."""
    return (_phase("whole-network", spec, reused, _decayed(reused.layers, spec)),) if reused.blocks else ()


def hybrid(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
    """The last block at the head's rate, the upper half of the others at a tenth of it, the lower half frozen."""
    if not reused.blocks:
        return ()
    *others, top = reused.blocks
    middle = others[len(others) // 2 :]
    return (_phase("hybrid", spec, reused, _of_blocks([*middle, top], [_GENTLE] * len(middle) + [1.0])),)


def discriminative(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
    """One phase of all blocks, each at 1/2.6 of the rate of the one above it, the head at the top (ULMFiT)."""
    if not reused.blocks:
        return ()
    return (
        _phase("discriminative", spec, reused, _of_blocks(reused.blocks, _falling(reused.blocks, _DISCRIMINATIVE))),
    )


def gradual_unfreezing(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
    """A phase for each block, from the top: it joins those that learn, each at `layer_decay` of the one above it.

    The optimizer's state goes along: nothing but what learns changes from phase to phase.
    """
    later = "keep" if spec.state == AUTO else spec.state
    made: list[Phase] = []
    for lowest in reversed(range(len(reused.blocks))):
        blocks = reused.blocks[lowest:]
        rates = _of_blocks(blocks, _falling(blocks, spec.layer_decay))
        made.append(Phase.of(_phase(blocks[0].name, spec, reused, rates), state=later if made else spec.state))
    return tuple(made)


def surgical(which: str) -> Callable[[Reused, FineTuneSpec], tuple[Phase, ...]]:
    """The strategy that lets one block learn, and the head: `first`, `middle`, `last`, or a block by its name.

    Lee et al. 2023: the first where the pictures look other than before, the middle where the objects do, the last
    where only the answers do.
    """

    def make(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
        if not reused.blocks:
            return ()
        blocks = {block.name: block for block in reused.blocks}
        places = {"first": 0, "middle": len(blocks) // 2, "last": -1}
        if which not in blocks and which not in places:
            raise RequestError(
                f"the network has no block '{which}' below the head at '{reused.below}' (in surgical-{which})"
                f"{nearest(which, [*places, *blocks])}; its blocks: {', '.join(blocks)}"
            )
        block = blocks[which] if which in blocks else reused.blocks[places[which]]
        return (_phase(f"surgical-{which}", spec, reused, _of_blocks([block], [1.0])),)

    return make


STRATEGIES: dict[str, Strategy] = {
    "feature-extraction": Strategy("the head alone", feature_extraction),
    "head-then-fine-tune": Strategy("the head, then the layers that are affordable (LP-FT)", head_then_fine_tune),
    "last-N": Strategy("the last N layers, counted as `model.layers` does", last(1)),
    "hybrid": Strategy("the last block; the middle at a tenth of its rate", hybrid),
    "gradual-unfreezing": Strategy("one block more in each phase, from the top", gradual_unfreezing),
    "discriminative": Strategy("all blocks, each at 1/2.6 of the rate above it (ULMFiT)", discriminative),
    "surgical-first": Strategy("the first block: the pictures look different", surgical("first")),
    "surgical-middle": Strategy("the middle block: the objects look different", surgical("middle")),
    "surgical-last": Strategy("the last block: only the answers differ", surgical("last")),
    "whole-network": Strategy("all layers", whole_network),
}


def find(name: str) -> Strategy:
    """The strategy of this name; `last-20` for any number, `surgical-block_3` for any block.

    Raises:
        RequestError: there is none; the nearest names, and all of them.
    """
    if name in STRATEGIES and name != "last-N":
        return STRATEGIES[name]
    if found := _LAST.fullmatch(name):
        return Strategy(f"the last {found[1]} layers", last(int(found[1])))
    if found := _SURGICAL.fullmatch(name):
        return Strategy(f"the block {found[1]}", surgical(found[1]))
    close = nearest(name, STRATEGIES) if name else ""
    raise RequestError(f"there is no ready-made plan '{name}'{close}; there are: {', '.join((AUTO, *STRATEGIES))}")


def phases(reused: Reused, spec: FineTuneSpec) -> tuple[Phase, ...]:
    """The phases that the spec's strategy makes; none where nothing but the head is to learn.

    Raises:
        RequestError: there is no such strategy, or the network has not what it asks for.
    """
    return find(spec.strategy).make(reused, spec)


def _phase(name: str, spec: FineTuneSpec, reused: Reused, parts: Mapping[Layer, float]) -> Phase:
    """A phase in which layers learn at these parts of the head's rate, everything else frozen."""
    peak = 1.0 if isinstance(spec.rate, str) else spec.rate
    rules = [Rate(_new(reused.new), peak)]
    for part, layers in _alike(reused.layers, parts):
        learning = [layer.path for layer in layers if _learns(layer, spec.batch_norm)]
        if learning:
            rules.append(Rate(_pattern(learning, layers, reused.layers), part * peak))
    return Phase.of(spec, name=name, rates=(*rules, Rate(".*", 0.0)))


def _new(layers: Sequence[str]) -> str:
    """An expression for the variables of the new layers."""
    return f"{HEAD}/.*" if len(layers) == 1 else f"{HEAD}(_hidden_[1-{len(layers) - 1}])?/.*"


def _alike(layers: Sequence[Layer], parts: Mapping[Layer, float]) -> list[tuple[float, list[Layer]]]:
    """Layers that learn at one rate, together, from the top down."""
    groups: dict[float, list[Layer]] = {}
    for layer in layers:
        if layer in parts:
            groups.setdefault(parts[layer], []).append(layer)
    return sorted(groups.items(), key=lambda group: -group[0])


def _pattern(learning: Sequence[str], group: Sequence[Layer], everything: Iterable[Layer]) -> str:
    """An expression for the variables of some layers: what their names begin with, where that is nobody else's."""
    start = commonprefix([layer.path for layer in group])  # noqa: RUF071 - letter by letter is what is meant
    alike = [layer.path for layer in everything if layer.path.startswith(start)]
    if start and len(learning) > 1 and len(alike) == len(group):
        return f"{re.escape(start)}.*"
    paths = "|".join(re.escape(path) for path in learning)
    return f"({paths})/.*" if len(learning) > 1 else f"{paths}/.*"


def _of_blocks(blocks: Sequence[Block], parts: Sequence[float]) -> dict[Layer, float]:
    return {layer: part for block, part in zip(blocks, parts, strict=True) for layer in block.layers}


def _falling(blocks: Sequence[Block], factor: float) -> list[float]:
    """For each block its part of the head's rate: less by a factor from each to the one below it."""
    return [factor ** (len(blocks) - place) for place in range(len(blocks))]


def _decayed(layers: Sequence[Layer], spec: FineTuneSpec) -> dict[Layer, float]:
    """For each layer that can learn its part of the head's rate: less by `layer_decay` below each with a kernel."""
    parts: dict[Layer, float] = {}
    current = spec.layer_decay
    for layer in reversed(layers):
        if _learns(layer, spec.batch_norm):
            parts[layer] = current
            current *= spec.layer_decay if layer.kernel else 1.0
    return parts


def _learns(layer: Layer, policy: BatchNorm) -> bool:
    return layer.trainable and (not layer.batch_norm or policy in ("affine", "adapt"))

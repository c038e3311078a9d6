"""What each strategy lets learn, and at which rate, over the names of a network."""

import re
from pathlib import Path

import keras
import pytest

from regraft.core.blocks import Block, Layer, Reused
from regraft.core.errors import RequestError
from regraft.core.phase import Phase
from regraft.core.plan import FineTuneSpec
from regraft.graph.blocks import reused
from regraft.graph.cut_points import cut_points
from regraft.importers import open as open_source
from regraft.training import strategies
from regraft.training.strategies import STRATEGIES, find


def _block(name: str) -> Block:
    kernel, norm = Layer(f"{name}_conv", True, True), Layer(f"{name}_bn", True, False, batch_norm=True)
    return Block(name, (kernel, norm, Layer(f"{name}_relu", False, False)))


BLOCKS = tuple(_block(name) for name in ("stem", "block_1", "block_2", "block_3", "block_10"))
NETWORK = Reused(
    (Layer("pictures", False, False), *(layer for block in BLOCKS for layer in block.layers)),
    BLOCKS,
    "block_10_relu",
    20,
)


def _made(strategy: str, network: Reused = NETWORK, **said: object) -> tuple[Phase, ...]:
    return strategies.phases(network, FineTuneSpec(strategy=strategy, rate=0.1, **said))  # pyright: ignore[reportArgumentType]


def _rates(phase: Phase, network: Reused = NETWORK) -> dict[str, float]:
    """Of each layer that learns, the rate of the first rule that matches its kernel."""
    found: dict[str, float] = {}
    for path in ["head", *(layer.path for layer in network.layers if layer.trainable and not layer.batch_norm)]:
        rate = next(rule.rate for rule in phase.rates if re.fullmatch(rule.pattern, f"{path}/kernel"))
        if rate:
            found[path] = rate
    return found


def _only(strategy: str, **said: object) -> Phase:
    (phase,) = _made(strategy, **said)
    return phase


def test_feature_extraction_has_no_phases() -> None:
    assert _made("feature-extraction") == ()


def test_head_then_fine_tune_is_the_phase_that_there_is_without_a_name() -> None:
    spec = FineTuneSpec(strategy="head-then-fine-tune", rate=0.1)
    assert strategies.phases(NETWORK, spec) == FineTuneSpec(rate=0.1).sequence


def test_the_last_layers_are_counted_as_keras_lists_them() -> None:
    phase = _only("last-6", layer_decay=0.5)
    assert phase.name == "last-6"
    assert _rates(phase) == {"head": 0.1, "block_10_conv": 0.05, "block_3_conv": 0.025}
    # The seventh from above is an activation, the ninth a kernel.
    assert _rates(_only("last-8", layer_decay=0.5)) == _rates(phase)
    assert "block_2_conv" in _rates(_only("last-9"))
    assert _only("last-6").rates[1].pattern == "block_10_conv/.*"
    # With its statistics still, a BatchNorm layer learns at the rate of the kernel that it belongs to.
    affine = _only("last-2", batch_norm="affine")
    assert [rule.pattern for rule in affine.rates] == ["head/.*", "block_10_bn/.*", ".*"]


def test_all_layers_learn_less_and_less_down_to_the_input() -> None:
    rates = _rates(_only("whole-network", layer_decay=0.5))
    order = ["head", "block_10_conv", "block_3_conv", "block_2_conv", "block_1_conv", "stem_conv"]
    assert rates == {name: 0.1 * 0.5**place for place, name in enumerate(order)}


def test_blocks_learn_at_a_part_of_the_rate_above() -> None:
    rates = _rates(_only("discriminative"))
    order = ["head", "block_10_conv", "block_3_conv", "block_2_conv", "block_1_conv", "stem_conv"]
    assert list(rates) == ["head", *order[:0:-1]]
    assert [rates[name] for name in order] == pytest.approx([0.1 / 2.6**place for place in range(6)], rel=1e-12)


def test_hybrid_freezes_the_lower_half_and_is_gentle_in_between() -> None:
    gentle = 0.1 * 0.1
    assert _rates(_only("hybrid")) == {
        "head": 0.1, "block_10_conv": 0.1, "block_3_conv": gentle, "block_2_conv": gentle,
    }  # fmt: skip


def test_gradual_unfreezing_thaws_one_block_more_in_each_phase() -> None:
    phases = _made("gradual-unfreezing", layer_decay=0.5, optimizer="sgd", epochs=3)
    assert [phase.name for phase in phases] == ["block_10", "block_3", "block_2", "block_1", "stem"]
    assert _rates(phases[0]) == {"head": 0.1, "block_10_conv": 0.05}
    assert _rates(phases[1]) == {"head": 0.1, "block_10_conv": 0.05, "block_3_conv": 0.025}
    assert len(_rates(phases[-1])) == 6
    assert {(phase.optimizer, phase.epochs) for phase in phases} == {("sgd", 3)}
    # The first begins with whatever there is, such as the state that came with the source.
    assert [phase.state for phase in phases] == ["auto", "keep", "keep", "keep", "keep"]
    assert {phase.state for phase in _made("gradual-unfreezing", state="reset")} == {"reset"}


@pytest.mark.parametrize(
    ("which", "block"),
    [("first", "stem"), ("middle", "block_2"), ("last", "block_10"), ("block_1", "block_1")],
)
def test_surgical_lets_one_block_learn(which: str, block: str) -> None:
    phase = _only(f"surgical-{which}")
    assert _rates(phase) == {"head": 0.1, f"{block}_conv": 0.1}
    # A rule for several layers says what only their names begin with: `block_1_`, which is not `block_10`.
    assert _only(f"surgical-{which}", batch_norm="affine").rates[1].pattern == f"{block}_.*"


def test_where_a_rate_is_to_be_found_rates_are_parts_of_it() -> None:
    (phase,) = strategies.phases(NETWORK, FineTuneSpec(strategy="hybrid", rate="find"))
    assert phase.rate == "find"
    assert [rule.rate for rule in phase.rates] == [1.0, 1.0, 0.1, 0.0]


def test_of_what_cannot_learn_no_phases_are_made() -> None:
    bare = Reused((Layer("pictures", False, False), Layer("relu", False, False)), (), "relu", 2)
    for strategy in set(STRATEGIES) - {"last-N", "head-then-fine-tune"}:
        assert _made(strategy, bare) == (), strategy


def test_more_layers_than_there_are_are_refused() -> None:
    with pytest.raises(RequestError) as caught:
        _made("last-17")
    assert str(caught.value) == (
        "expected last-1 to last-16, found last-17: that is how many layers stand below the head at 'block_10_relu'; "
        "for all of them say whole-network"
    )
    with pytest.raises(RequestError, match=r"none of the last 2 layers below 'block_10_relu' can learn; the highest"):
        _made("last-2")


def test_a_block_that_there_is_not_is_answered_with_the_nearest_and_all() -> None:
    with pytest.raises(RequestError) as caught:
        _made("surgical-block_4")
    assert str(caught.value).startswith(
        "the network has no block 'block_4' below the head at 'block_10_relu' (in surgical-block_4); nearest known "
    )
    assert str(caught.value).endswith("its blocks: stem, block_1, block_2, block_3, block_10")


@pytest.mark.parametrize("name", ["gradual", "last-N", "last-0", "last-x", "", "Hybrid"])
def test_an_unknown_strategy_is_answered_with_all_names(name: str) -> None:
    with pytest.raises(RequestError, match=f"there is no ready-made plan '{name}'") as caught:
        find(name)
    assert f"there are: auto, {', '.join(STRATEGIES)}" in str(caught.value)


def test_the_last_twenty_layers_of_a_well_known_network_are_those_of_keras() -> None:
    model = keras.applications.MobileNetV2(weights=None, include_top=False, input_shape=(32, 32, 3))
    network = reused(model, cut_points(model)[-1].name)
    phase = _only("last-20", network=network)
    learning = set(_rates(phase, network)) - {"head"}
    assert learning == {layer.name for layer in model.layers[-20:] if type(layer).__name__.endswith("Conv2D")}
    assert learning >= {"Conv_1", "block_16_expand", "block_16_depthwise"}


def test_strategies_of_real_files(shared_folder: Path) -> None:
    nets = shared_folder / "nets"
    model = open_source(nets / "mobilenet_v1_1.0_224_trunk" / "mobilenet_v1_1.0_224_trunk.keras").model
    network = reused(model, cut_points(model)[-1].name)
    phases = _made("gradual-unfreezing", network)
    assert [phase.name for phase in phases] == [*(f"conv_dw_{number}" for number in range(12, 0, -1)), "conv1"]
    assert set(_rates(phases[0], network)) == {"head", "conv_dw_12", "conv_pw_12"}
    resnet = open_source(nets / "pytorch_resnet_cifar10" / "resnet20-12fca82f.th").model
    network = reused(resnet, cut_points(resnet)[-1].name)
    (phase,) = _made("surgical-layer2_0", network)
    learning = set(_rates(phase, network)) - {"head"}
    assert {name.rpartition("_")[0] for name in learning} == {"layer2_0"}
    assert [rule.pattern for rule in phase.rates] == ["head/.*", "layer2_0_.*", ".*"]

"""Law 13: a row does not depend on what else is wanted, nor on what the cache held before."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from regraft.activations.compute import Activations, compute
from regraft.activations.engines import BATCH, Wanted, compile_trunk
from regraft.activations.seams import seams
from regraft.activations.store import Store
from regraft.core.input_spec import InputSpec
from regraft.data import open as open_data
from regraft.graph import flow
from regraft.graph.cut_points import cut_points
from regraft.importers import open as open_source
from tests.laws.networks import built, examples, parameters


def _all(points: list[str]) -> list[Wanted]:
    return [Wanted(name, pooled) for name in points for pooled in (False, True)]


@pytest.mark.parametrize("name", parameters(slow=False, but=("several",)))
def test_a_row_is_the_same_alone_and_among_others_and_from_any_seam(name: str) -> None:
    model, raw = built(name), np.asarray(examples(name, BATCH), "float32")
    spec, points = InputSpec(raw.shape[1:]), [point.name for point in cut_points(model)]
    wanted = _all(points)
    together = dict(zip(wanted, compile_trunk(model, spec, 255.0, wanted)(raw), strict=True))
    for item in wanted[:: max(1, len(wanted) // 4)]:
        (alone,) = compile_trunk(model, spec, 255.0, [item])(raw)
        assert alone.tobytes() == together[item].tobytes(), item
    starts = [call.name for call in seams(flow.read(model))]
    assert starts or name == "perceptron"
    # The lowest, one between, the highest.
    for start in dict.fromkeys([*starts[:1], *starts[len(starts) // 2 :][:1], *starts[-1:]]):
        above = _all(points[points.index(start) :])
        for item, rows in zip(
            above, compile_trunk(model, spec, 255.0, above, start=start)(together[Wanted(start, False)]), strict=True
        ):
            assert rows.tobytes() == together[item].tobytes(), (start, item)


@pytest.mark.slow
def test_a_row_of_a_real_network_is_the_same_from_any_seam(shared_folder: Path) -> None:
    folder = shared_folder / "nets/mobilenet_v1_1.0_224_trunk"
    pretrained = open_source(folder / "mobilenet_v1_1.0_224_trunk.keras", input_size=64)
    model, spec = pretrained.model, pretrained.inputs.with_size(64, 64)
    points = [point.name for point in cut_points(model)]
    raw = np.random.default_rng(0).uniform(0, 255, (BATCH, 64, 64, 3)).astype("float32")
    everything = _all(points)
    together = dict(zip(everything, compile_trunk(model, spec, 255.0, everything)(raw), strict=True))
    for name in ("conv_pw_3", "conv_pw_3_bn", "conv_pw_3_relu"):
        (alone,) = compile_trunk(model, spec, 255.0, [Wanted(name, False)])(raw)
        assert alone.tobytes() == together[Wanted(name, False)].tobytes()
    for start in ("conv_pw_2_relu", "conv_pw_11_relu"):
        above = _all(points[points.index(start) :])
        made = compile_trunk(model, spec, 255.0, above, start=start)(together[Wanted(start, False)])
        assert all(rows.tobytes() == together[item].tobytes() for item, rows in zip(above, made, strict=True))


def test_moving_the_cut_computes_the_missing_segment_without_pictures(tmp_path: Path) -> None:
    model, spec = built("chain"), InputSpec((12, 12, 3))
    data = open_data((np.asarray(examples("chain", 40), "float32"), np.arange(40) % 2))
    read, seen = data.read, list[int]()

    def counted(index: int, channels: int | None) -> Any:
        seen.append(index)
        return read(index, channels)

    def run(store: Store, *wanted: Wanted) -> Activations:
        return compute(model, spec, replace(data, read=counted), range(40), wanted, store)

    def ten(store: Store, *wanted: Wanted) -> Activations:
        return compute(model, spec, replace(data, read=counted), range(10), wanted, store)

    fresh, moved = Store(tmp_path / "fresh"), Store(tmp_path / "moved")
    relu0, pool0, relu1 = Wanted("relu0", False), Wanted("pool0", False), Wanted("relu1", False)
    top, conv1 = Wanted("relu1", True), Wanted("conv1", False)
    right = run(fresh, relu0, pool0, relu1, top, conv1).rows
    ten(moved, pool0)
    found = ten(moved, relu0)
    assert (found.computed, found.from_lower) == (10, 0), "down: nothing is below it but pixels"
    seen.clear()
    found = run(moved, relu1, top, conv1)
    assert sorted(seen) == list(range(10, 40))
    assert (found.computed, found.from_lower, found.hits) == (3 * 40, 3 * 10, 0), "up: ten have a lower map"
    found = run(moved, pool0)
    assert (found.computed, found.from_lower, found.hits) == (30, 0, 10)
    seen.clear()
    # A convolution before its BatchNorm is no place to start from.
    found = run(moved, Wanted("averaged", False))
    assert (found.computed, found.from_lower) == (40, 40)
    assert not seen
    for item in (relu0, relu1, top, conv1):
        ids = data.ids[:10] if item == relu0 else data.ids
        kept = run(moved, item).rows[item]
        assert kept.gather(ids).tobytes() == right[item].gather(ids).tobytes(), item


def test_each_of_several_things_starts_from_the_highest_rows_below_it(tmp_path: Path) -> None:
    model, spec = built("chain"), InputSpec((12, 12, 3))
    data = open_data((np.asarray(examples("chain", 40), "float32"), np.arange(40) % 2))

    def run(store: Store, count: int, *wanted: Wanted) -> Activations:
        return compute(model, spec, data, range(count), wanted, store)

    low, middle, high = Wanted("conv0", True), Wanted("conv1", True), Wanted("top", True)
    right = run(Store(tmp_path / "fresh"), 40, low, middle, high).rows
    store = Store(tmp_path / "kept")
    run(store, 20, Wanted("pool0", False))
    run(store, 10, Wanted("relu1", False))
    found = run(store, 40, low, middle, high)
    # Twenty of the middle from `pool0`; ten of the high from `relu1`, and ten from `pool0`.
    assert (found.computed, found.hits, found.from_lower) == (120, 0, 40)
    for item in (low, middle, high):
        assert found.rows[item].gather(data.ids).tobytes() == right[item].gather(data.ids).tobytes(), item

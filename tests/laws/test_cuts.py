"""Law 2: for every cut point, rest(trunk(x)) equals model(x); and the engine gives what the trunk gives."""

from typing import Any

import keras
import numpy as np
import pytest

from regraft.activations.engines import Wanted, compile_trunk
from regraft.core.input_spec import InputSpec
from regraft.graph import flow, names
from regraft.graph.cut_points import cut_points, find
from regraft.surgery.copy import copy_model
from regraft.surgery.cut import between, cut
from tests.laws.networks import NETWORKS, built, examples, parameters

# To float32 rounding: 1e-5 of the largest activation. Compilers may contract and reorder what eager execution does not.
_TOLERANCE = 1e-5
# Of the networks that are slow to cut.
_CUTS = 2


def _arrays(structure: Any) -> list[Any]:
    return [keras.ops.convert_to_numpy(tensor) for tensor in keras.tree.flatten(structure)]


def _assert_equal(found: Any, expected: Any) -> None:
    for one, other in zip(_arrays(found), _arrays(expected), strict=True):
        assert one.shape == other.shape
        np.testing.assert_allclose(one, other, rtol=0, atol=_TOLERANCE * np.abs(other).max())


def _some(points: list[str]) -> list[str]:
    """All of them, or where there are many, some from the lowest to the highest."""
    chosen = np.linspace(0, len(points) - 1, min(len(points), _CUTS)).round().astype(int)
    return [points[index] for index in dict.fromkeys(chosen)]


def _structure(value: Any) -> Any:
    return keras.tree.map_structure(lambda _: None, value)


@pytest.mark.parametrize("name", parameters(but=("efficientnet",)))
def test_rest_of_trunk_is_the_model(name: str) -> None:
    model, x = built(name), examples(name)
    expected = model(x, training=False)
    known = names.variables(model)
    points = [point.name for point in cut_points(model)]
    assert points
    for point in _some(points) if NETWORKS[name].slow else points:
        trunk, rest = cut(model, point)
        found = rest(trunk(x, training=False), training=False)
        _assert_equal(found, expected)
        assert _structure(found) == _structure(expected)
        assert {*names.variables(trunk), *names.variables(rest)} <= set(known), point


@pytest.mark.parametrize("name", parameters(but=("several",)))
def test_the_engine_gives_what_the_trunk_gives(name: str) -> None:
    model, x = built(name), examples(name)
    points = [point.name for point in cut_points(model)]
    wanted = [Wanted(point, pooled) for point in points for pooled in (False, True)]
    results = compile_trunk(model, InputSpec(x.shape[1:]), 255.0, wanted)(x.astype("float32"))
    given = dict(zip(wanted, results, strict=True))
    for point in _some(points) if NETWORKS[name].slow else points:
        (below,) = _arrays(cut(model, point)[0](x, training=False))
        _assert_equal(given[Wanted(point, False)], below)
        _assert_equal(given[Wanted(point, True)], below.mean(axis=tuple(range(1, below.ndim - 1))))


@pytest.mark.parametrize("name", parameters(slow=False, but=("several",)))
def test_evaluation_keeps_every_cut_point_and_ends_with_the_output(name: str) -> None:
    model, x = built(name), examples(name)
    opened = flow.read(model)
    kept: dict[int, Any] = {}
    flow.evaluate(opened, opened.calls, {opened.inputs[0]: keras.ops.convert_to_tensor(x)}, kept.__setitem__)
    _assert_equal(kept[opened.outputs[0]], model(x, training=False))
    assert all(find(opened, point.name).makes[0] in kept for point in cut_points(model))


@pytest.mark.parametrize("name", parameters(slow=False))
def test_between_two_cuts_and_below_and_above_are_the_model(name: str) -> None:
    model, x = built(name), examples(name)
    points = [point.name for point in cut_points(model)]
    lower, upper = points[len(points) // 3], points[-2]
    trunk, rest = cut(model, lower)[0], cut(model, upper)[1]
    middle = between(model, lower, upper)
    x_upper = trunk(x, training=False)
    if middle is not None:
        x_upper = middle(x_upper, training=False)
    _assert_equal(rest(x_upper, training=False), model(x, training=False))
    assert middle is not None or lower == upper


@pytest.mark.parametrize("name", parameters())
def test_a_copy_is_the_model(name: str) -> None:
    model, x = built(name), examples(name)
    copied = copy_model(model)
    _assert_equal(copied(x, training=False), model(x, training=False))
    shared = {id(variable) for variable in model.variables} & {id(variable) for variable in copied.variables}
    assert not shared
    assert len(copied.variables) == len(model.variables)

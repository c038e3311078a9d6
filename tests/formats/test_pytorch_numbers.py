import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as some

from regraft.formats.pytorch_numbers import named

_SHAPES = some.lists(some.sampled_from([(2,), (3,), (2, 3)]), min_size=1, max_size=6)


def ways(groups, shapes, parameters):
    """All ways to give numbers names, each group in order; by trying all of them."""
    names, flat = list(parameters), [number for group in groups for number in group]
    found = set()
    for chosen in itertools.permutations(names, len(flat)):
        way = dict(zip(flat, chosen, strict=True))
        in_order = all(
            names.index(way[a]) < names.index(way[b]) for group in groups for a, b in itertools.pairwise(group)
        )
        if in_order and all(shapes.get(number, parameters[name]) == parameters[name] for number, name in way.items()):
            found.add(tuple(way.items()))
    return found


@given(_SHAPES, some.data())
def test_a_name_is_given_where_one_way_alone_is_possible(stated, data):
    parameters = {f"p{index}": shape for index, shape in enumerate(stated)}
    places = data.draw(some.lists(some.integers(-1, 2), min_size=len(stated), max_size=len(stated)))
    lists = [[name for name, place in zip(parameters, places, strict=True) if place == group] for group in range(3)]
    chosen = [name for group in lists for name in group]
    numbers = {name: number for number, name in enumerate(chosen)}
    groups = [[numbers[name] for name in group] for group in lists if group]
    unknown = data.draw(some.sets(some.sampled_from([*numbers.values(), -1])))
    shapes = {number: parameters[name] for name, number in numbers.items() if number not in unknown}
    found = named(groups, shapes, parameters)
    possible = ways(groups, shapes, parameters)
    if found.names:
        assert dict(found.names) == {number: name for name, number in numbers.items()}
        assert possible == {tuple((number, found.names[number]) for number, _ in next(iter(possible)))}
    else:
        assert not groups or len(possible) > 1


def test_one_group_of_all_is_in_order():
    assert named([[0, 1]], {}, {"a": (2,), "b": (2,)}).names == {0: "a", 1: "b"}
    wrong = named([[0, 1]], {1: (3,)}, {"a": (2,), "b": (2,)})
    assert (wrong.names, wrong.reason) == ({}, "the shapes of its state are not those of the parameters")
    more = named([[0, 1]], {}, {"a": (2,)})
    assert (more.names, more.reason) == ({}, "the optimizer has 2 parameters, the state dict 1")


@pytest.mark.parametrize("blocks", [100])
def test_kernels_and_the_rest_of_a_deep_network(blocks):
    parameters = {f"{index}.{leaf}": shape for index in range(blocks) for leaf, shape in (("w", (3, 3)), ("b", (3,)))}
    kernels = [name for name in parameters if name.endswith("w")]
    others = [name for name in parameters if name.endswith("b")]
    shapes = {number: parameters[name] for number, name in enumerate([*kernels, *others])}
    found = named([list(range(blocks)), list(range(blocks, 2 * blocks))], shapes, parameters)
    assert [found.names[number] for number in range(2 * blocks)] == [*kernels, *others]
    assert found.reason == "the optimizer has its parameters in 2 groups; which is which, their shapes tell"


def test_many_groups_that_are_alike_take_no_time():
    parameters = {f"{index}": (3,) for index in range(144)}
    groups = [list(range(start, start + 12)) for start in range(0, 144, 12)]
    assert not named(groups, dict.fromkeys(range(144), (3,)), parameters).names

"""Widths of new layers: what is a plan's, what is refused, and what they are called."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from regraft.core import plan as plans
from regraft.core.errors import RequestError
from regraft.core.head_spec import NEW_LAYERS, HeadSpec, NewLayersSpec, widths
from regraft.core.phase import Rate
from regraft.core.plan import Plan


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("128,64", (128, 64)),
        (" 32 ", (32,)),
        ("none", ()),
        ([8, np.int64(4)], (8, 4)),
        ((), ()),
    ],
)
def test_widths_are_text_or_numbers(given: Any, expected: tuple[int, ...]) -> None:
    found = widths(given)
    assert found == expected
    assert all(type(width) is int for width in found)
    assert HeadSpec(hidden=given).hidden == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("128;64", "expected widths of new layers (hidden) as whole numbers, such as 128,64, found '128;64'"),
        ("", "expected widths of new layers (hidden) as whole numbers, such as 128,64, found ''"),
        ("1.5", "expected widths of new layers (hidden) as whole numbers, such as 128,64, found '1.5'"),
        (128, "expected widths of new layers (hidden) as whole numbers, such as 128,64, found 128"),
        ((64.0,), "expected widths of new layers (hidden) as whole numbers, such as 128,64, found (64.0,)"),
        ((True,), "expected widths of new layers (hidden) as whole numbers, such as 128,64, found (True,)"),
        ("128,-1", "expected widths of new layers (hidden) from 1 to 16,384, found -1"),
        ((0,), "expected widths of new layers (hidden) from 1 to 16,384, found 0"),
        ((20_000,), "expected widths of new layers (hidden) from 1 to 16,384, found 20000"),
        ((4,) * 9, "expected at most 8 new layers (hidden), found 9"),
    ],
)
def test_what_no_layer_can_be_is_refused(given: Any, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        HeadSpec(hidden=given)
    assert str(caught.value) == message


def test_layers_have_names_from_the_lowest_upwards() -> None:
    assert HeadSpec().layers == ("head",)
    assert HeadSpec(hidden=(8, 4)).layers == ("head_hidden_1", "head_hidden_2", "head")


def test_a_plan_says_of_learning_only_what_differs_from_what_was_measured_to_be_good() -> None:
    text = 'source = "x"\n[head]\nhidden = [128, 64]\n[head.learning]\nepochs = 7\n'
    found = plans.from_toml(text).head
    assert found == HeadSpec(hidden=(128, 64), learning=NewLayersSpec(epochs=7))
    assert found.learning is not None
    assert found.learning.name == NEW_LAYERS
    written = dataclasses.replace(found.learning, rates=(Rate("head.*", 0.1),))
    plan = Plan("x", head=dataclasses.replace(found, learning=written))
    assert plans.from_toml(plans.to_toml(plan)) == plan


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hidden = [0]", "the plan: expected widths of new layers (hidden) from 1 to 16,384, found 0"),
        ("hidden = 3", "the plan: 'head.hidden': expected a list, found 3"),
        ("hidden = ['a']", "the plan: 'head.hidden[0]': expected an integer, found 'a'"),
        ("hiden = [3]", "the plan: unknown key 'head.hiden'; nearest known names: hidden"),
        (
            "[head.learning]\nepochs = 3",
            "the plan: expected widths in the plan's head.hidden beside head.learning, which says how new layers "
            "learn, found none",
        ),
        (
            "hidden = [3]\n[head.learning]\nepochs = 0",
            "the plan: expected the plan's head.learning.epochs as 1 or more, found 0",
        ),
    ],
)
def test_a_wrong_plan_says_where(text: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        plans.from_toml(f'source = "x"\n[head]\n{text}')
    assert str(caught.value) == message

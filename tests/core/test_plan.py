"""The plan as people meet it: files, defaults and messages; the identity is in tests/laws/test_documents.py."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from regraft.core import plan
from regraft.core.errors import RequestError
from regraft.core.input_spec import InputSpec
from regraft.core.phase import Phase, Rate
from regraft.core.plan import FineTuneSpec, HeadSpec, Plan, SplitSpec

_FULL = Plan(
    source="keras:MobileNetV2",
    data="flowers/été 😀",
    data_digest="00ff",
    input=InputSpec((96, 96, 3)).with_convention("torch", "known"),
    input_size=96,
    decoding="draft",
    views=2,
    seed=7,
    head=HeadSpec(inverse_penalty=float("inf")),
    fine_tune=FineTuneSpec(rates=(Rate(r'"quoted"\d+', 0.0), Rate(".*", 1e-5))),
    split=SplitSpec(0.2, 0.0),
)


def test_a_file_holds_the_plan(tmp_path: Path) -> None:
    plan.write(tmp_path / "new" / "plan.toml", _FULL)
    assert plan.read(tmp_path / "new" / "plan.toml") == _FULL


def test_a_plan_without_rates_is_kept_so() -> None:
    bare = Plan("x", fine_tune=FineTuneSpec(rates=()))
    assert plan.from_toml(plan.to_toml(bare)) == bare


def test_a_person_may_write_only_what_differs_from_the_defaults() -> None:
    text = """
        source = "model.keras"
        [head]
        folds = 3
        [[fine_tune.rates]]
        pattern = ".*"
        rate = 1
    """
    expected = Plan("model.keras", head=HeadSpec(folds=3), fine_tune=FineTuneSpec(rates=(Rate(".*", 1.0),)))
    assert plan.from_toml(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the plan: missing key 'source'"),
        ("source = 3", "the plan: 'source': expected a string, found 3"),
        (
            'source = "x"\n[fine_tune]\nepoch = 3',
            "the plan: unknown key 'fine_tune.epoch'; nearest known names: epochs, keep, steps",
        ),
        (
            'source = "x"\nbaselines = "maybe"',
            "the plan: 'baselines': expected one of 'auto', 'yes', 'no', found 'maybe'",
        ),
        (
            'source = "x"\ndecoding = "small"',
            "the plan: 'decoding': expected one of 'full', 'draft', found 'small'",
        ),
        (
            'source = "x"\nformat = 2',
            "the plan has format 2, this Regraft reads format 1; use the Regraft that wrote it, or a newer one",
        ),
        (
            'source = "x"\n[split]\nvalidation = 0.5\ntest = 0.5',
            "the plan: expected validation and test parts that leave something to train on, found 0.5 and 0.5",
        ),
    ],
)
def test_what_is_wrong_in_a_plan_is_said_in_one_line(text: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        plan.from_toml(text)
    assert str(caught.value) == message


@pytest.mark.parametrize("text", ["source = ", "source", "a = 1\na = 2", "seed = " + "9" * 5000, "seed = 2000-13-01"])
def test_what_is_no_toml_is_refused(text: str) -> None:
    with pytest.raises(RequestError, match=r"^the plan is not TOML: "):
        plan.from_toml(text)


def test_messages_name_the_file(tmp_path: Path) -> None:
    path = tmp_path / "plan.toml"
    with pytest.raises(RequestError, match=r"^cannot read plan '.*plan.toml': .*No such file"):
        plan.read(path)
    path.write_bytes(b"source = '\xff'")
    with pytest.raises(RequestError, match=r"^cannot read plan '.*plan.toml': .*utf-8"):
        plan.read(path)
    path.write_text("sorce = 'x'")
    with pytest.raises(RequestError, match=r"plan.toml': unknown key 'sorce'; nearest known names: source"):
        plan.read(path)
    path.write_text("=")
    with pytest.raises(RequestError, match=r"plan.toml' is not TOML: "):
        plan.read(path)


@pytest.mark.parametrize("parts", [(1.0, 0.0), (0.5, 0.5), (-0.1, 0.0), (0.0, -0.1), (float("nan"), 0.0)])
def test_a_split_leaves_something_to_learn_from(parts: tuple[float, float]) -> None:
    with pytest.raises(RequestError, match="that leave something to train on"):
        SplitSpec(*parts)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"feature_noise": -0.1}, "expected the plan's fine_tune.feature_noise as 0 (off) or above, found -0.1"),
        ({"feature_noise": math.inf}, "expected the plan's fine_tune.feature_noise as 0 (off) or above, found inf"),
        ({"feature_noise": math.nan}, "expected the plan's fine_tune.feature_noise as 0 (off) or above, found nan"),
        (
            {"feature_brightness": 1.0},
            "expected the plan's fine_tune.feature_brightness from 0 (off) to below 1, found 1.0",
        ),
        (
            {"feature_brightness": -0.5},
            "expected the plan's fine_tune.feature_brightness from 0 (off) to below 1, found -0.5",
        ),
        ({"rate": 0.0}, "expected the plan's fine_tune.rate above 0, or 'find', found 0.0"),
        ({"epochs": 0}, "expected the plan's fine_tune.epochs as 1 or more, found 0"),
        ({"warmup": 1.0}, "expected the plan's fine_tune.warmup from 0 (none) to below 1, found 1.0"),
        ({"clip_norm": math.nan}, "expected the plan's fine_tune.clip_norm above 0, found nan"),
        (
            {"drops": (0.5, 0.2)},
            "expected the plan's fine_tune.drops rising from above 0 to below 1, found (0.5, 0.2)",
        ),
        (
            {"phases": (Phase(), Phase())},
            "expected phases of different names in the plan's fine_tune.phases, found ['fine-tune', 'fine-tune']",
        ),
    ],
)
def test_a_phase_has_possible_figures(given: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestError) as caught:
        FineTuneSpec(**given)
    assert str(caught.value) == message


def test_augmentation_is_named_by_its_kinds() -> None:
    assert plan.changes("flip,crop,colour") == plan.changes(("colour", "crop", "flip", "flip")) == plan.CHANGES
    assert plan.changes("none") == plan.changes([]) == ()
    text = plan.to_toml(Plan("x", views=2, augment=("crop",)))
    assert 'augment = ["crop"]' in text
    assert plan.from_toml(text).augment == ("crop",)
    assert plan.from_toml('source = "x"').augment == plan.CHANGES
    assert plan.from_toml('source = "x"\naugment = []').augment == ()


@pytest.mark.parametrize(
    ("given", "unknown"), [("flip,color", "color"), (["mirror"], "mirror"), ("", ""), ("none,flip", "none")]
)
def test_a_kind_of_augmentation_that_there_is_not_is_refused(given: Any, unknown: str) -> None:
    with pytest.raises(RequestError) as caught:
        plan.changes(given)
    assert str(caught.value) == f"unknown augmentation '{unknown}': expected some of flip, crop, colour, or none"


@pytest.mark.parametrize(
    ("views", "augment", "message"),
    [
        (
            2,
            (),
            "expected views from 1 to 1 without augmentation; give fewer, or let augment name crop or colour, found 2",
        ),
        (
            3,
            ("flip",),
            "expected views from 1 to 2 by flip alone; give fewer, or let augment name crop or colour, found 3",
        ),
        (0, plan.CHANGES, "expected views from 1 to 1000, found 0"),
        (1001, ("crop",), "expected views from 1 to 1000, found 1001"),
    ],
)
def test_there_are_no_more_views_than_their_kinds_can_make(views: int, augment: Any, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        Plan("x", views=views, augment=augment)
    assert str(caught.value) == message


def test_a_split_may_leave_out_validation_or_test() -> None:
    assert SplitSpec(0.0, 0.0) == SplitSpec(validation=0, test=0)


def test_another_source_brings_its_own_input_convention_and_architecture(tmp_path: Path) -> None:
    given = replace(_FULL, architecture="keras:MobileNetV2")
    other = plan.with_source(given, "keras:VGG16")
    assert other == replace(given, source="keras:VGG16", input=None, architecture=None)
    assert plan.with_source(given, given.source) == given


def test_a_file_named_in_another_way_is_the_same_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.keras").touch()
    given = replace(_FULL, source=str(tmp_path / "mine.keras"))
    monkeypatch.chdir(tmp_path)
    assert plan.with_source(given, "mine.keras") == given

"""A plan is named by its file or by what it does."""

from pathlib import Path

import pytest

from regraft.core import plan as plans
from regraft.core.errors import RequestError
from regraft.core.plan import FineTuneSpec, Plan
from regraft.recipes.ready_made import named


def test_a_name_is_a_strategy_and_a_file_of_that_name_goes_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named("last-20") == FineTuneSpec(strategy="last-20")
    assert named("auto") == FineTuneSpec()
    plan = Plan("keras:MobileNet", fine_tune=FineTuneSpec(strategy="hybrid"))
    plans.write(tmp_path / "last-20", plan)
    assert named("last-20") == plan
    assert named(tmp_path / "last-20") == plan


def test_what_is_neither_says_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RequestError) as caught:
        named("gradual-unfreezin")
    assert str(caught.value) == (
        "there is no ready-made plan 'gradual-unfreezin'; nearest known names: gradual-unfreezing; there are: auto, "
        "feature-extraction, head-then-fine-tune, last-N, hybrid, gradual-unfreezing, discriminative, surgical-first, "
        "surgical-middle, surgical-last, whole-network; nor is there a file of this name"
    )
    for path in ("plans/mine", "mine.toml", tmp_path / "hybrid"):
        with pytest.raises(RequestError, match="cannot read plan"):
            named(path)

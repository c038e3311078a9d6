"""Phases have what the plan says of all of them, and TOML comes back as it was."""

import pytest

from regraft.core import plan as plans
from regraft.core.errors import RequestError
from regraft.core.phase import Phase, Rate
from regraft.core.plan import FineTuneSpec, Plan, with_shared


def _read(text: str) -> FineTuneSpec:
    return plans.from_toml(f"source = 'keras:MobileNet'\n[fine_tune]\n{text}").fine_tune


def test_a_phase_has_what_it_does_not_say_itself() -> None:
    spec = _read("""
optimizer = "sgd"
epochs = 4
patience = 2
options = {nesterov = true}
[[fine_tune.phases]]
name = "upper"
[[fine_tune.phases]]
name = "all"
epochs = 1
patience = "none"
""")
    upper, everything = spec.phases
    assert (upper.optimizer, upper.epochs, upper.patience, upper.options) == ("sgd", 4, 2, {"nesterov": True})
    assert (everything.optimizer, everything.epochs, everything.patience) == ("sgd", 1, None)


def test_a_phase_without_what_the_others_have_comes_back_without_it() -> None:
    spec = FineTuneSpec(clip_norm=1.0, epochs=3, phases=(Phase(name="a"), Phase(name="b", clip_norm=2.0)))
    plan = Plan("keras:MobileNet", fine_tune=spec)
    text = plans.to_toml(plan)
    assert text.count('clip_norm = "none"') == 1
    assert plans.from_toml(text) == plan


def test_unknown_names_and_words_in_a_phase_say_which() -> None:
    with pytest.raises(RequestError, match=r"unknown key 'fine_tune.phases\[1\].epoch'; nearest known names: epochs"):
        _read("[[fine_tune.phases]]\nname = 'a'\n[[fine_tune.phases]]\nname = 'b'\nepoch = 3")
    with pytest.raises(RequestError, match=r"'fine_tune.phases\[0\].batch_size': expected an integer, found 'none'"):
        _read("[[fine_tune.phases]]\nname = 'a'\nbatch_size = 'none'")
    with pytest.raises(RequestError, match=r"'fine_tune.phases': expected a list, found 3"):
        _read("phases = 3")
    with pytest.raises(RequestError, match=r"'fine_tune.phases\[0\]': expected a table, found 3"):
        _read("phases = [3]")


def test_phases_of_one_name_and_of_names_that_a_run_has_are_refused() -> None:
    with pytest.raises(RequestError, match=r"expected phases of different names in .*, found \['a', 'a'\]"):
        _read("[[fine_tune.phases]]\nname = 'a'\n[[fine_tune.phases]]\nname = 'a'")
    with pytest.raises(RequestError, match=r"expected another name of a phase than head, average, refit, .*'refit'"):
        _read("[[fine_tune.phases]]\nname = 'refit'")


def test_what_all_phases_share_is_changed_in_all_of_them() -> None:
    spec = FineTuneSpec(phases=(Phase(name="a", epochs=1), Phase(name="b")))
    changed = with_shared(Plan("x", fine_tune=spec), {"epochs": 7, "optimizer": "lion"}).fine_tune
    assert [(each.epochs, each.optimizer) for each in (changed, *changed.phases)] == [(7, "lion")] * 3
    assert [phase.name for phase in changed.phases] == ["a", "b"]
    assert with_shared(Plan("x", fine_tune=spec), {"rate": 0.1}).fine_tune.phases[1].rate == 0.1
    written = FineTuneSpec(phases=(Phase(name="a", rates=(Rate(".*", 0.1),)),))
    with pytest.raises(RequestError, match="the rates of phase 'a' are written out in the plan, so that a rate for"):
        with_shared(Plan("x", fine_tune=written), {"rate": 0.1})
    with pytest.raises(RequestError, match=r"expected the plan's fine_tune.epochs as 1 or more, found 0"):
        with_shared(Plan("x"), {"epochs": 0})

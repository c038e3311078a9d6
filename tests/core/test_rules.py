"""Rules of a restore: their text, their Python forms, and what is said about a wrong one."""

from pathlib import Path

import pytest

from regraft.core import rules
from regraft.core.errors import RequestError
from regraft.core.rules import Rule, Step

_TEXT = r"""
# the names of another framework
conv(\d)\.weight -> conv_\1/kernel | transpose 2 3 1 0 | flip   # Theano
qkv -> q/kernel, k/kernel, v/kernel | split 1
w_i, w_f, w_c, w_o -> lstm/cell/kernel | merge 1
(\d+)/inv_std -> bn\1/moving_variance | inverse-std 0.0001
hidden\d/(w|b) => dense.*/(kernel|bias)
skip .*num_batches_tracked
keep top/.*
name arr_\d+ as #/W #/beta
"""


def test_every_kind_of_rule_is_read():
    found = rules.parse(_TEXT)
    assert [rule.kind for rule in found] == ["map", "map", "map", "map", "order", "skip", "keep", "name"]
    assert found[0].patterns == (r"conv(\d)\.weight",)
    assert found[0].steps == (Step("transpose", (2, 3, 1, 0)), Step("flip"))
    assert found[1].targets == ("q/kernel", "k/kernel", "v/kernel")
    assert found[2].patterns == ("w_i", "w_f", "w_c", "w_o")
    assert found[3].steps == (Step("inverse-std", (1e-4,)),)
    assert found[4].targets == ("dense.*/(kernel|bias)",)
    assert found[4].steps is None
    assert found[7].targets == ("#/W", "#/beta")


def test_what_is_written_reads_back_the_same():
    found = rules.parse(_TEXT)
    again = rules.parse(rules.to_text(found))
    assert [(r.kind, r.patterns, r.targets, r.steps) for r in again] == [
        (r.kind, r.patterns, r.targets, r.steps) for r in found
    ]


def test_a_pattern_may_hold_a_hash_and_a_bar():
    (rule,) = rules.parse(r"(a|b)/kernel#2 -> \1/kernel#2")
    assert rule.patterns == ("(a|b)/kernel#2",)
    assert rule.targets == (r"\1/kernel#2",)


def test_python_may_say_them_as_text_dictionary_or_pairs():
    expected = [Rule("map", ("a",), ("b",)), Rule("skip", ("c",))]
    for value in ("a -> b\nskip c", {"a": "b", "c": None}, [("a", "b"), ("c", None)], ["a -> b", "skip c"]):
        found = rules.of(value)
        assert [(r.kind, r.patterns, r.targets) for r in found] == [(r.kind, r.patterns, r.targets) for r in expected]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("conv1", r"expected 'PATTERN -> VARIABLE'.* in line 1 of the rules, found 'conv1'"),
        ("a -> ", r"in line 1 of the rules, found 'a ->'"),
        ("a, -> b", r"expected names on both sides of the arrow in line 1"),
        ("a -> b | transpos 1 0", r"unknown step 'transpos' in line 1 .*; nearest known names: transpose"),
        ("a -> b | scale", r"expected 1 numbers behind 'scale' in line 1"),
        ("a -> b | split 1.5", r"expected integers behind 'split' in line 1"),
        ("a -> b | inverse-std x", r"expected numbers behind 'inverse-std'"),
    ],
)
def test_a_line_that_is_no_rule_is_named(line, message):
    with pytest.raises(RequestError, match=message):
        rules.parse(line)


def test_a_file_that_is_none_is_named(tmp_path: Path):
    with pytest.raises(RequestError, match=r"expected a file of rules at '.*absent.txt': No such file"):
        rules.read(tmp_path / "absent.txt")
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(RequestError, match=r"expected rules, one a line, in '.*empty.txt', found none"):
        rules.read(tmp_path / "empty.txt")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RequestError, match="it is not text in UTF-8"):
        rules.read(tmp_path / "binary.txt")


@pytest.mark.parametrize("value", [[3], [("a", "b", "c")], [("a", 3)]])
def test_python_values_that_are_no_rules_are_refused(value):
    with pytest.raises(RequestError, match="expected a"):
        rules.of(value)

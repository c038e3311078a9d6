"""Plain values: types, absent keys and messages; the identities are in tests/laws/test_documents.py."""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core import plain
from regraft.core.errors import RequestError


@dataclass(frozen=True, slots=True)
class _Leaf:
    size: int
    rate: float = 0.5


@dataclass(frozen=True, slots=True)
class _Tree:
    name: str
    note: str | None
    kind: Literal["oak", "elm"] = "oak"
    leaves: tuple[_Leaf, ...] = ()
    pair: tuple[int, str] | None = None
    by_name: Mapping[str, Mapping[str, int]] = field(default_factory=dict[str, Mapping[str, int]])
    leaf: _Leaf | None = None
    mixed: float | int | str = 0
    flag: bool = False
    anything: Any = None


_FULL = _Tree(
    name="t",
    note=None,
    kind="elm",
    leaves=(_Leaf(1), _Leaf(2, 1e-7)),
    pair=(3, "x"),
    by_name={"a": {"b": 1}, "": {}},
    leaf=_Leaf(4),
    mixed=7,
    flag=True,
    anything=["free", {"form": 1}],
)


def _refused(kind: Any, value: Any) -> str:
    with pytest.raises(RequestError) as caught:
        plain.from_plain(kind, value)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_kind_of_field_comes_back_from_json_and_toml() -> None:
    assert plain.from_plain(_Tree, json.loads(plain.to_json(_FULL))) == _FULL
    assert plain.from_plain(_Tree, tomllib.loads(plain.to_toml(_FULL))) == _FULL


def test_numbers_of_numpy_become_python_numbers() -> None:
    assert plain.to_json([np.float32(0.5), np.int64(3), np.bool_(True), np.array(2.0)], indent=None) == (
        "[0.5, 3, true, 2.0]"
    )
    assert plain.to_toml({"rate": np.float64(0.1)}) == "rate = 0.1\n"


def test_an_absent_key_means_the_default_or_none() -> None:
    tree = plain.from_plain(_Tree, {"name": "t"})
    assert tree == _Tree("t", None)
    assert _refused(_Tree, {"note": "n"}) == "missing key 'name'"


def test_an_unknown_key_names_its_path_and_the_nearest_known_one() -> None:
    assert _refused(_Tree, {"nam": "t"}).startswith("unknown key 'nam'; nearest known names: name")
    message = _refused(_Tree, {"name": "t", "leaves": [{"size": 1}, {"size": 1, "rte": 2}]})
    assert message == "unknown key 'leaves[1].rte'; nearest known names: rate"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"name": 3}, "'name': expected a string, found 3"),
        ({"name": None}, "'name': expected a string, found nothing"),
        ({"kind": "ash"}, "'kind': expected one of 'oak', 'elm', found 'ash'"),
        ({"leaves": {"size": 1}}, "'leaves': expected a list, found {'size': 1}"),
        ({"leaves": [3]}, "'leaves[0]': expected a table, found 3"),
        ({"leaf": {"size": 1.0}}, "'leaf.size': expected an integer, found 1.0"),
        ({"leaf": {"size": True}}, "'leaf.size': expected an integer, found True"),
        ({"leaf": {"size": 1, "rate": "fast"}}, "'leaf.rate': expected a number, found 'fast'"),
        ({"leaf": {"size": 1, "rate": True}}, "'leaf.rate': expected a number, found True"),
        ({"pair": [1]}, "'pair': expected a list of 2, found [1]"),
        ({"pair": [1, 2]}, "'pair[1]': expected a string, found 2"),
        ({"by_name": {"a": {"b": "c"}}}, "'by_name.a.b': expected an integer, found 'c'"),
        ({"by_name": []}, "'by_name': expected a table, found []"),
        ({"flag": 1}, "'flag': expected true or false, found 1"),
        ({"mixed": [1]}, "'mixed': expected a number, found [1]"),
    ],
)
def test_a_value_of_the_wrong_type_says_where_and_what_was_expected(table: dict[str, Any], message: str) -> None:
    assert _refused(_Tree, {"name": "t"} | table) == message


def test_a_document_that_is_no_table_is_refused_without_a_place() -> None:
    assert _refused(_Tree, [1, 2]) == "expected a table, found [1, 2]"


def test_a_long_value_is_shortened_in_the_message() -> None:
    assert len(_refused(_Tree, {"name": ["x" * 1000] * 1000})) < 300


def test_a_whole_number_is_a_float_where_one_is_expected_and_stays_whole_where_both_are() -> None:
    leaf = plain.from_plain(_Leaf, {"size": 1, "rate": 2})
    assert type(leaf.rate) is float
    assert type(plain.from_plain(_Tree, {"name": "t", "mixed": 2}).mixed) is int
    assert type(plain.from_plain(_Tree, {"name": "t", "mixed": 2.0}).mixed) is float
    assert _refused(_Leaf, {"size": 1, "rate": 10**400}).startswith("'rate': expected a number below 1.8e308")


def test_keys_that_are_numbers_come_back_as_numbers() -> None:
    kind: Any = Mapping[int, float]
    assert plain.from_plain(kind, json.loads(plain.to_json({-3: 0.5, 640: 1.0}))) == {-3: 0.5, 640: 1.0}
    for key in ("a", "1.0", "01", "1_0", " 1", ""):
        assert _refused(kind, {key: 1.0}) == f"expected an integer as the key, found {key!r}"


def test_a_literal_of_another_type_is_no_member() -> None:
    one: Any = Literal[1]
    assert _refused(one, True) == "expected one of 1, found True"
    assert plain.from_plain(one, 1) == 1


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_numbers_that_json_lacks_are_null_and_toml_has_them(number: float) -> None:
    assert json.loads(plain.to_json(_Leaf(1, number))) == {"size": 1, "rate": None}
    assert math.isnan(plain.from_plain(_Leaf, {"size": 1, "rate": None}).rate)
    again = plain.from_plain(_Leaf, tomllib.loads(plain.to_toml(_Leaf(1, number)))).rate
    assert repr(again) == repr(number)


_KEYS = st.sampled_from(["a", "b-c", "é", "", ".", '"', "1"])
_SCALARS = st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
_VALUES = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_KEYS, inner, max_size=2), max_leaves=6
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=3))
def test_toml_of_any_tables_reads_back_as_they_were(table: dict[str, Any]) -> None:
    assert tomllib.loads(plain.to_toml(table)) == table


def test_toml_is_written_as_a_person_would() -> None:
    assert plain.to_toml(_FULL) == (
        'name = "t"\nkind = "elm"\npair = [3, "x"]\nmixed = 7\nflag = true\nanything = ["free", {form = 1}]\n'
        "\n[[leaves]]\nsize = 1\nrate = 0.5\n"
        "\n[[leaves]]\nsize = 2\nrate = 1e-07\n"
        "\n[by_name]\n"
        "\n[by_name.a]\nb = 1\n"
        '\n[by_name.""]\n'
        "\n[leaf]\nsize = 4\nrate = 0.5\n"
    )


def test_toml_refuses_what_it_has_no_form_for() -> None:
    with pytest.raises(RequestError, match=r"^expected text, found 'a\\udcff', which is not UTF-8; rename"):
        plain.to_toml({"name": "a\udcff"})
    with pytest.raises(TypeError, match="TOML has no form for None"):
        plain.to_toml({"list": [None]})


def test_json_of_a_file_name_that_is_not_utf8_can_be_written_and_read() -> None:
    text = plain.to_json({"é": "a\udcff"}, indent=None)
    assert text == '{"é": "a\\udcff"}'
    assert json.loads(text.encode()) == {"é": "a\udcff"}

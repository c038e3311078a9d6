"""The tree of errors and the end of messages about unknown names."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core import errors
from regraft.core.errors import nearest


def _kinds() -> list[type[errors.RegraftError]]:
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.RegraftError)]


def test_the_drawing_shows_every_error_below_its_parent() -> None:
    rows = re.findall(r"^([ │├└─]*)(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    above: list[tuple[int, str]] = []
    drawn: dict[str, str] = {}
    for prefix, name in rows:
        above = [(depth, parent) for depth, parent in above if depth < len(prefix)]
        drawn[name] = above[-1][1] if above else "Exception"
        above.append((len(prefix), name))
    assert drawn == {kind.__name__: kind.__base__.__name__ for kind in _kinds() if kind.__base__}


@pytest.mark.parametrize("kind", _kinds())
def test_a_wrong_request_exits_with_2_and_failed_work_with_1(kind: type[errors.RegraftError]) -> None:
    assert kind.exit_status == (2 if issubclass(kind, errors.RequestError) else 1)


def test_close_names_come_first_and_far_ones_are_a_sample() -> None:
    assert nearest("epoch", ["batch_size", "epochs"]) == "; nearest known names: epochs"
    assert nearest("zzz", ["a", "b"]) == "; known names: a, b"
    assert nearest("zzz", "abcdef", count=2) == "; known names: a, b, ..."
    assert nearest("zzz", []) == ""


@given(name=st.text(), known=st.lists(st.text(alphabet="abc_", min_size=1), unique=True))
def test_only_known_names_are_named(name: str, known: list[str]) -> None:
    end = nearest(name, iter(known))
    listed = end.rpartition("names: ")[2].removesuffix(", ...").split(", ") if end else []
    assert set(listed) <= set(known)
    assert bool(listed) == bool(known)
    assert len(listed) <= 3


def test_a_message_is_one_line_of_bounded_length_whatever_it_quotes() -> None:
    said = str(errors.SourceError(f"layer '\r\n\x1b[31m{'x' * 100_000}' is odd"))
    assert said.startswith(r"layer '\r\n\x1b[31mxxx")
    assert said.endswith("xxx' is odd")
    assert len(said) < 1600
    assert str(errors.SourceError("größer als »a«")) == "größer als »a«"

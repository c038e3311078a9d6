"""What pretraining is asked for comes back from its file as it was, and what cannot be is refused by name."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regraft.core import plain
from regraft.core.errors import RequestError
from regraft.core.pretraining import Asked, Spec

SPECS = st.builds(
    Spec,
    epochs=st.integers(1, 10**6),
    batch_size=st.integers(1, 10**6),
    optimizer=st.sampled_from(("adam", "sgd")),
    rate=st.floats(1e-12, 1e6),
    momentum=st.floats(0, 0.999),
    schedule=st.sampled_from(("constant", "cosine")),
    warmup=st.floats(0, 0.999),
    weight_decay=st.floats(0, 1e6),
    clip_norm=st.none() | st.floats(1e-6, 1e6),
    patience=st.integers(0, 1000),
    held_out=st.floats(0.001, 0.999),
)
ASKED = st.builds(
    Asked,
    method=st.text(min_size=1),
    data=st.text(),
    data_digest=st.none() | st.text(min_size=1),
    spec=SPECS,
    settings=st.dictionaries(st.text(min_size=1), st.integers() | st.floats(-1e9, 1e9) | st.text() | st.booleans()),
    scaling=st.sampled_from(("auto", "unit", "standard", "none")),
    input_size=st.none() | st.integers(1, 10_000),
    probe=st.integers(0, 10**6),
    compare=st.sampled_from(("auto", "yes", "no")),
    seed=st.integers(0, 2**31),
)


@given(ASKED)
def test_what_is_asked_for_is_the_same_in_toml(asked: Asked) -> None:
    assert plain.from_plain(Asked, tomllib.loads(plain.to_toml(asked))) == asked


def test_that_nothing_ends_it_early_is_written_down() -> None:
    spec = plain.from_plain(Asked, tomllib.loads(plain.to_toml(Asked(method="rbm", spec=Spec(patience=0))))).spec
    assert spec is not None
    assert spec.patience == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("rate", 0.0),
        ("rate", float("nan")),
        ("momentum", 1.0),
        ("warmup", 1.0),
        ("weight_decay", -1.0),
        ("clip_norm", 0.0),
        ("patience", -1),
        ("held_out", 0.0),
        ("held_out", 1.0),
    ],
)
def test_figures_that_no_training_can_have_are_refused(name: str, value: float) -> None:
    with pytest.raises(RequestError, match=f"expected '{name}' .* found {value}"):
        Spec(**{name: value})  # pyright: ignore[reportArgumentType]

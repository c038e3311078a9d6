import numpy as np
import pytest

from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.importers.optimizer_state import tracing

SHAPES = {"kernel": (2, 3, 4), "bias": (4,), "other": (4,)}


def archive():
    values = {name: np.ones(shape, "float32") for name, shape in SHAPES.items()}
    return TensorArchive("npz", {n: TensorEntry(n, v.shape, "float32", lambda v=v: v) for n, v in values.items()})


def loaded(given):
    held = {name: np.asarray(entry.read()) for name, entry in given.tensors.items()}
    return {
        "turned": np.flip(held["kernel"].transpose(2, 0, 1), 0),
        "joined": np.concatenate([held["bias"], held["other"]])[::-1],
        "rest": np.full((3,), 0.5, "float32"),
    }


@pytest.mark.parametrize("chunk", [1 << 22, 5])
def test_a_rearrangement_is_found_whatever_it_is(chunk, monkeypatch):
    monkeypatch.setattr(tracing, "_CHUNK", chunk)
    found = tracing.traced(archive(), list(SHAPES), loaded)
    assert set(found.origins) == {"turned", "joined"}
    assert found.computed == ()
    generator = np.random.default_rng(0)
    slots = {name: generator.normal(size=shape) for name, shape in SHAPES.items()}
    moved = {name: origin.arranged([slots[n] for n in origin.tensors]) for name, origin in found.origins.items()}
    np.testing.assert_array_equal(moved["turned"], np.flip(slots["kernel"].transpose(2, 0, 1), 0))
    np.testing.assert_array_equal(moved["joined"], np.concatenate([slots["bias"], slots["other"]])[::-1])
    assert found.origins["joined"].tensors == ("bias", "other")


@pytest.mark.parametrize(
    "change",
    [lambda x: x * 1.2, lambda x: x * 2, lambda x: x + 1, lambda x: x + x[::-1], lambda x: np.pad(x, (0, 1)), abs],
)
def test_what_was_computed_is_none(change):
    found = tracing.traced(archive(), ["bias"], lambda given: {"b": change(given.tensors["bias"].read())})
    assert (dict(found.origins), found.computed) == ({}, ("bias",))


def test_what_is_in_two_variables_belongs_to_neither():
    def twice(given):
        return {
            "a": given.tensors["bias"].read(),
            "b": given.tensors["bias"].read(),
            "c": given.tensors["other"].read(),
        }

    found = tracing.traced(archive(), ["bias", "other"], twice)
    assert (list(found.origins), found.computed) == (["c"], ("bias",))

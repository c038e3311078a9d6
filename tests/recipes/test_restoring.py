"""The manners of a restore: nothing swaps, nothing is silent, nothing is half done."""

import dataclasses

import keras
import numpy as np
import pytest

import regraft
from regraft.core.errors import ProofError, RequestError, SelectorError, SourceError
from regraft.core.opened import Transformed
from regraft.graph import names
from regraft.recipes import restoring
from tests.recipes.comparing import values

layers = keras.layers


def _two(*order: str) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), *(layers.Dense(4, name=name) for name in order)])
    for index, (name, variable) in enumerate(sorted(names.variables(model).items())):
        variable.assign(np.full(variable.shape, index + len(name)))
    return model


def test_two_layers_of_one_shape_never_swap(tmp_path):
    source, target = _two("a", "b"), _two("b", "a")
    source.save(tmp_path / "source.keras")
    for given in (source, tmp_path / "source.keras", regraft.open(source)):
        done = regraft.restore(target, given)
        assert done.report.loaded == ("a/kernel", "a/bias", "b/kernel", "b/bias")
        expected = values(source)
        for name, value in values(done.model).items():
            np.testing.assert_array_equal(value, expected[name])
    # The layout of weight files has no order: nothing says which is which.
    source.save_weights(tmp_path / "source.weights.h5")
    with pytest.raises(SelectorError, match=r"found several: a/.* could each be for any of c/.*d/"):
        regraft.restore(_two("c", "d"), tmp_path / "source.weights.h5")


def test_slots_of_the_optimizer_are_counted_by_name(tmp_path):
    source = _two("a", "b")
    source.compile("adam", "mse")
    source.fit(np.ones((2, 4)), np.ones((2, 4)), verbose=0)
    source.save(tmp_path / "source.keras")
    report = regraft.restore(_two("b", "a"), tmp_path / "source.keras").report
    assert len(report.slots) == 8
    assert len(regraft.restore(_two("b", "a"), source).report.slots) == len(source.optimizer.variables)
    assert {name for name in report.slots if name.startswith("a/kernel")} == {
        "a/kernel/momentum",
        "a/kernel/velocity",
    }


def test_in_place_changes_the_model_that_was_given_and_else_nothing_does():
    source, target = _two("a", "b"), _two("a", "b")
    target.get_layer("a").kernel.assign(np.zeros((4, 4)))
    before = values(target)
    assert regraft.restore(target, source).model is not target
    for name, value in values(target).items():
        np.testing.assert_array_equal(value, before[name])
    assert regraft.restore(target, source, in_place=True).model is target
    np.testing.assert_array_equal(target.get_layer("a").kernel, source.get_layer("a").kernel)
    # Whatever is refused changes nothing.
    before = values(target)
    with pytest.raises(ProofError):
        regraft.restore(target, source, {"a/(.*)": r"b/\1"}, in_place=True)
    for name, value in values(target).items():
        np.testing.assert_array_equal(value, before[name])


def test_splitting_merging_and_stacking_have_their_rows(tmp_path):
    kernel = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    np.savez(tmp_path / "w.npz", qkv=kernel, bias_1=np.ones(4, "f"), bias_2=np.full(4, 2, "f"))
    entry = keras.Input((4,))
    outputs = [layers.Dense(4, use_bias=name == "q", name=name)(entry) for name in "qkv"]
    model = keras.Model(entry, outputs)
    done = regraft.restore(
        model,
        tmp_path / "w.npz",
        {"qkv": "q/kernel, k/kernel, v/kernel | split 0 | transpose 1 0", r"bias_\d": "q/bias | add"},
    )
    after = values(done.model)
    for part, name in zip(np.split(kernel, 3), "qkv", strict=True):
        np.testing.assert_array_equal(after[f"{name}/kernel"], part.T)
    np.testing.assert_array_equal(after["q/bias"], np.full(4, 3))
    assert done.report.transformed == (
        Transformed(("qkv",), ("q/kernel", "k/kernel", "v/kernel"), "split 0 | transpose 1 0"),
        Transformed(("bias_1", "bias_2"), ("q/bias",), "add"),
    )


def test_values_that_are_none_are_refused(tmp_path):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1, use_bias=False, name="d")])
    np.savez(tmp_path / "nan.npz", **{"d/kernel": np.full((2, 1), np.nan, "f")})
    with pytest.raises(SourceError, match=r"found NaN or infinity in 'd/kernel' of '.*nan.npz'"):
        regraft.restore(model, tmp_path / "nan.npz")
    np.savez(tmp_path / "int.npz", **{"d/kernel": np.ones((2, 1), np.int8)})
    with pytest.raises(ProofError, match=r"of another shape or type: d/kernel \(int8\) for d/kernel \(float32\)"):
        regraft.restore(model, tmp_path / "int.npz")
    np.savez(tmp_path / "other.npz", x=np.ones(7, "f"))
    with pytest.raises(SelectorError, match=r"nothing in .*other.npz' fits the model by name, order or shape"):
        regraft.restore(model, tmp_path / "other.npz")
    with pytest.raises(RequestError, match=r"rule 'd/kernel -> d/kernel \| reshape 3', tensor 'd/kernel': 'reshape 3'"):
        regraft.restore(model, tmp_path / "int.npz", {"d/kernel": "d/kernel | reshape 3"})
    with pytest.raises(RequestError, match="expected rules, found none"):
        regraft.restore(model, tmp_path / "int.npz", [])


def test_a_proposal_lists_what_is_left_over(tmp_path):
    np.savez(tmp_path / "w.npz", **{"a/kernel": np.ones((4, 4), "f"), "a/bias": np.ones(4, "f"), "x": np.ones(9, "f")})
    said = restoring.propose(_two("a", "b"), tmp_path / "w.npz")
    assert "# skip x\n" in said.rules
    assert "# keep b/kernel\n# keep b/bias\n" in said.rules
    # A square kernel and nothing that tells how it lies.
    assert "how 'a/kernel' lies cannot be told" in said.rules
    assert len(said.open) == 1


def test_the_record_of_a_restored_file_is_whole(tmp_path):
    source = _two("a", "b")
    source.save(tmp_path / "source.keras")
    _two("a", "b").save(tmp_path / "target.keras")
    done = restoring.restore_file(
        str(tmp_path / "target.keras"),
        str(tmp_path / "source.keras"),
        rules={"a/(.*)": r"a/\1"},
        strict=False,
        out=tmp_path / "out.keras",
    )
    assert (done.complete, done.restored_parameters, done.parameters) == (False, 20, 40)
    assert done.load.unused == ("b/kernel", "b/bias")
    written = keras.saving.load_model(tmp_path / "out.keras")
    np.testing.assert_array_equal(written.get_layer("a").kernel, source.get_layer("a").kernel)
    assert dataclasses.asdict(done)["load"]["missing"] == ("b/kernel", "b/bias")


def test_targets_are_files_addresses_functions_and_configurations(tmp_path, monkeypatch):
    (tmp_path / "own_targets.py").write_text(
        "import keras\n\n\ndef small():\n"
        "    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, name='d')])\n"
    )
    monkeypatch.chdir(tmp_path)
    model = restoring.build("own_targets:small")
    model.save(tmp_path / "small.keras")
    (tmp_path / "small.json").write_text(model.to_json())
    for target in ("small.keras", "small.json"):
        assert list(names.variables(restoring.build(target))) == ["d/kernel", "d/bias"]
    assert restoring.build("keras:MobileNet?alpha=0.25", 32).input_shape == (None, 32, 32, 3)
    with pytest.raises(SourceError, match=r"found none at 'absent.json'"):
        restoring.build("absent.json")

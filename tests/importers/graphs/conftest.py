"""One proof for all converted networks: the numbers of the original, after saving and loading, in trainable layers."""

import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from regraft.importers import graphs


class Proof:
    """Converts ONNX models and compares them with what onnxruntime computes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def convert(self, model, **options) -> graphs.Converted:
        path = self.folder / "model.onnx"
        path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        return graphs.convert(path, **options)

    def holds(self, model, batch: int = 1, tolerance: float = 1e-5, **options) -> graphs.Converted:
        """Convert, save, load; compare all outputs on random inputs; returns what was converted."""
        converted = self.convert(model, **options)
        assert not converted.built.failed, converted.built.failed
        loaded = reloaded(converted.built.model, self.folder)
        given, expected = self.original(batch)
        taken = [laid_out(converted, name, values) for name, values in given.items()]
        found = keras.tree.flatten(loaded(taken[0] if len(taken) == 1 else taken))
        for name, values, result in zip(converted.built.outputs, expected, found, strict=True):
            ours = np.asarray(keras.ops.convert_to_numpy(result))
            theirs = laid_out(converted, name, values)
            assert ours.shape == theirs.shape, name
            # Relative to the largest element: float32 sums in another order.
            assert np.abs(ours - theirs).max() <= tolerance * max(np.abs(theirs).max(), 1e-3), name
        return converted

    def original(self, batch: int) -> tuple[dict[str, np.ndarray], list[np.ndarray]]:
        runtime = pytest.importorskip("onnxruntime")
        session = runtime.InferenceSession(self.folder / "model.onnx", providers=["CPUExecutionProvider"])
        generator = np.random.default_rng(1)
        given = {}
        for item in session.get_inputs():
            shape = [size if isinstance(size, int) else batch for size in item.shape]
            whole = "int" in item.type
            given[item.name] = (
                generator.integers(0, 5, shape).astype(np.int64)
                if whole
                else generator.normal(size=shape).astype(np.float32)
            )
        return given, session.run(None, given)


def laid_out(converted: graphs.Converted, name: str, values: np.ndarray) -> np.ndarray:
    """Foreign values in the order of axes of the Keras tensor that they have become."""
    value = converted.built.values[name]
    assert not value.folds
    missing = tuple(axis for axis in range(value.rank) if axis not in value.axes)
    order = np.argsort(np.argsort(value.axes))
    return (
        np.transpose(np.squeeze(values, missing), [sorted(value.axes).index(axis) for axis in value.axes])
        if len(order)
        else values
    )


def reloaded(model: keras.Model, folder: Path) -> keras.Model:
    with warnings.catch_warnings():
        model.save(folder / "model.keras")
        return keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)


@pytest.fixture
def proof(tmp_path: Path) -> Proof:
    return Proof(tmp_path)

"""One proof for all families: the numbers of the PyTorch module, gradients, and an account of every tensor."""

from pathlib import Path

import keras
import numpy as np
import pytest

from regraft import importers
from regraft.core.progress import collecting_warnings
from regraft.graph import names
from tests.importers.families.torch_networks import shaken

torch = pytest.importorskip("torch")


class Proof:
    """Saves PyTorch modules, opens their state dicts, and compares."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def saved(self, module, name="weights.pth", wrap=None) -> Path:
        """The state dict of a module as a file; `wrap` may put it into something else."""
        tensors = shaken(module).state_dict()
        path = self.folder / name
        torch.save(wrap(tensors) if wrap else tensors, path)
        return path

    def holds(self, module, size, name="weights.pth", wrap=None, tolerance=1e-5, warnings=()) -> importers.Pretrained:
        """Open what was saved and compare the outputs of both networks on random pictures; all of it learns."""
        opened = self.computes(module, size, name, wrap, tolerance, warnings)
        learns_everywhere(module, opened.model)
        return opened

    def computes(
        self, module, size, name="weights.pth", wrap=None, tolerance=1e-5, warnings=()
    ) -> importers.Pretrained:
        """The same, without gradients: enough for the true size of what learns everywhere when it is small."""
        path = self.saved(module, name, wrap)
        with collecting_warnings() as warned:
            opened = importers.open(path, input_size=size)
        assert len(warned) == len(warnings)
        assert all(part in said for part, said in zip(warnings, warned, strict=True))
        channels = opened.model.inputs[0].shape[-1]
        assert tuple(opened.model.inputs[0].shape[1:]) == (size, size, channels)
        same_outputs(module, opened.model, tolerance)
        accounted_for(module, opened)
        return opened


def same_outputs(module, model: keras.Model, tolerance=1e-5) -> None:
    size, _, channels = model.inputs[0].shape[1:]
    x = np.random.default_rng(1).normal(size=(2, size, size, channels)).astype(np.float32)
    with torch.no_grad():
        theirs = module(torch.from_numpy(x.transpose(0, 3, 1, 2).copy())).numpy()
    theirs = theirs.transpose(0, 2, 3, 1) if theirs.ndim == 4 else theirs
    ours = np.asarray(keras.ops.convert_to_numpy(model(x, training=False)))
    assert ours.shape == theirs.shape
    # A network that gives the same for every picture would prove nothing.
    assert np.abs(theirs[0] - theirs[1]).max() > 1e-3 * np.abs(theirs).max()
    # Of the largest element: float32 sums in another order.
    assert np.abs(ours - theirs).max() <= tolerance * np.abs(theirs).max()


def accounted_for(module, opened: importers.Pretrained) -> None:
    """Every tensor of the file in one row, every variable of the model filled, none with a weight more or less."""
    report = opened.report
    rows = [*report.loaded, *(old for old, _ in report.renamed), *report.skipped, *report.unused]
    tensors = module.state_dict()
    assert len(rows) == len(set(rows)) == len(tensors)
    counters = {name for name in tensors if name.endswith("num_batches_tracked")}
    assert {name.rpartition("/")[2].rpartition(".")[2] for name in report.skipped} <= {"num_batches_tracked"}
    assert len(report.skipped) == len(counters)
    assert not report.missing
    assert not report.unused
    variables = {name for name in names.variables(opened.model) if "seed_generator" not in name}
    assert {new for _, new in report.renamed} | set(report.loaded) == variables
    learned = sum(value.numel() for value in module.parameters())
    assert sum(int(np.prod(item.shape)) for item in opened.model.trainable_variables) == learned
    own = {type(layer).__module__.split(".")[0] for layer in opened.model.layers}
    assert own == {"keras"}


def learns_everywhere(module, model: keras.Model) -> None:
    """A gradient reaches every trainable variable, with numbers that are not all zero."""
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    size, _, channels = model.inputs[0].shape[1:]
    x = np.random.default_rng(2).normal(size=(2, size, size, channels)).astype(np.float32)
    with tf.GradientTape() as tape:
        made = model(x, training=False)
        loss = tf.reduce_sum(tf.square(made))
    gradients = tape.gradient(loss, [item.value for item in model.trainable_variables])
    lost = [item.path for item, slope in zip(model.trainable_variables, gradients, strict=True) if slope is None]
    assert not lost


@pytest.fixture
def proof(tmp_path: Path, zeros: None) -> Proof:
    return Proof(tmp_path)

"""TorchScript files against PyTorch: tensors by path, constants, and nothing of the code is run."""

import re
import zipfile

import numpy as np
import pytest

from regraft import formats
from regraft.core.errors import CorruptFileError, RegraftError, SourceError

torch = pytest.importorskip("torch")
# `torch.jit` itself warns that it is no longer the newest way.
pytestmark = pytest.mark.filterwarnings("ignore")


class Branch(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2)])
        self.steps: list[torch.Tensor] = [torch.ones(2), torch.zeros(3)]
        self.count = 3

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x + torch.tensor([[[0.25]]]) + self.steps[0].sum()


@pytest.fixture
def saved(tmp_path):
    def give(module):
        module.save(str(tmp_path / "m.pt"))
        return tmp_path / "m.pt"

    return give


def test_a_scripted_module(saved):
    script = torch.jit.script(Branch().eval())
    archive = formats.read(saved(script))
    state = script.state_dict()
    assert archive.format == "torchscript"
    assert set(archive.tensors) == {*state, "steps.0", "steps.1"}
    for name, value in state.items():
        np.testing.assert_array_equal(archive.tensors[name].read(), value.numpy())
    assert archive.metadata["modules"]["layers.0"] == "__torch__.torch.nn.modules.conv.Conv2d"
    with pytest.raises(SourceError, match="holds weights but no architecture"):
        formats.graph(archive)


def test_a_frozen_trace_keeps_its_weights_as_constants(saved):
    model = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(4, 5)).eval()
    trace = torch.jit.freeze(torch.jit.trace(model, torch.zeros(1, 1, 6, 6)))
    archive = formats.read(saved(trace))
    assert all(name.startswith("CONSTANTS.c") for name in archive.tensors)
    found = [tensor.read() for tensor in archive.tensors.values()]
    for value in model.state_dict().values():
        assert any(np.array_equal(value.numpy(), other) for other in found)


def test_a_module_without_tensors_is_refused(saved):
    with pytest.raises(SourceError, match="expected a network with tensors, found a module without any"):
        formats.read(saved(torch.jit.script(torch.nn.ReLU())))


def test_names_that_are_no_part_of_a_script_are_refused(saved, tmp_path):
    path = saved(torch.jit.script(torch.nn.Linear(2, 2)))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "x.pt", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("/data.pkl"):
                content, count = re.subn(rb"c__torch__[.\w]*\nLinear\n", b"cos\nsystem\n", content)
                assert count == 1
            new.writestr(name, content)
    with pytest.raises(SourceError, match=r"asks to run 'os.system', which was not done"):
        formats.read(tmp_path / "x.pt")


def test_a_truncated_or_altered_file_gives_only_our_own_errors(saved, tmp_path):
    content = saved(torch.jit.script(torch.nn.Linear(2, 2))).read_bytes()
    changed, refused = tmp_path / "x.pt", 0
    for place in range(4, len(content), 23):
        changed.write_bytes(content[:place])
        with pytest.raises(CorruptFileError, match=r"x\.pt"):
            formats.read(changed)
        changed.write_bytes(content[:place] + bytes([content[place] ^ 0x41]) + content[place + 1 :])
        try:
            for tensor in formats.read(changed).tensors.values():
                tensor.read()
        except RegraftError:
            refused += 1
    assert refused > 20


@pytest.mark.shared
def test_the_real_file(shared_folder):
    path = shared_folder / "nets/torchscript_mnist_potato2chip/model_scripted.pt"
    archive = formats.read(path)
    reference = torch.jit.load(path, map_location="cpu").state_dict()
    assert list(archive.tensors) == list(reference) == ["fc1.weight", "fc2.weight"]
    for name, value in reference.items():
        np.testing.assert_array_equal(archive.tensors[name].read(), value.numpy())

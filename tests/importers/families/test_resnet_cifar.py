import numpy as np
import pytest

from regraft import formats, importers
from tests.importers.families.conftest import same_outputs, torch
from tests.importers.families.torch_networks import CifarResNet


@pytest.mark.parametrize("size", [32, 27])
def test_shortcuts_without_weights(proof, size):
    opened = proof.holds(CifarResNet(1, 4), size)
    assert opened.model.name == "resnet8_cifar"


@pytest.mark.shared
def test_the_published_network(shared_folder):
    path = shared_folder / "nets/pytorch_resnet_cifar10/resnet20-12fca82f.th"
    module = CifarResNet(3)
    tensors = {name: torch.from_numpy(np.array(entry.read())) for name, entry in formats.read(path).tensors.items()}
    missing, unexpected = module.load_state_dict(tensors, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    opened = importers.open(path)
    assert opened.model.name == "resnet20_cifar"
    assert opened.inputs.shape == (32, 32, 3)
    assert opened.inputs.name == "torch"
    same_outputs(module.eval(), opened.model)

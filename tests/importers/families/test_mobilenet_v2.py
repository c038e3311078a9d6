import pytest

from tests.importers.families.torch_networks import MobileNetV2, timm_mobilenet_v2


@pytest.mark.parametrize("network", [MobileNetV2, timm_mobilenet_v2])
def test_both_namings(proof, network):
    opened = proof.holds(network(0.25, classes=3, last=16), 45)
    assert opened.model.name == "mobilenet_v2"
    assert opened.inputs.name == "torch"


def test_without_the_classifier(proof):
    opened = proof.holds(MobileNetV2(0.25, classes=0, last=16), 32)
    assert opened.model.output_shape == (None, 16)


@pytest.mark.slow
@pytest.mark.parametrize("network", [MobileNetV2, timm_mobilenet_v2])
def test_true_size(proof, network):
    module = network()
    assert sum(value.numel() for value in module.parameters()) == 3_504_872
    proof.computes(module, 96)

import pytest

from tests.importers.families.torch_networks import ConvNext, TimmConvNext


@pytest.mark.parametrize("size", [64, 75])
def test_torchvisions_names(proof, size):
    opened = proof.holds(ConvNext((1, 1, 2, 1), 8, classes=3), size)
    layers = [type(layer).__name__ for layer in opened.model.layers]
    assert not {"Permute", "Reshape"}.intersection(layers)
    assert opened.inputs.name == "torch"


@pytest.mark.parametrize("convolves", [False, True])
def test_timms_names(proof, convolves):
    opened = proof.holds(TimmConvNext((1, 1, 2, 1), 8, classes=3, convolves=convolves), 64)
    assert opened.inputs.name == "torch"


@pytest.mark.parametrize("network", [ConvNext, TimmConvNext])
def test_without_the_classifier(proof, network):
    opened = proof.holds(network((1, 1, 1, 1), 8, classes=0), 64)
    assert opened.model.output_shape == (None, 64)


@pytest.mark.slow
@pytest.mark.parametrize("network", [ConvNext, TimmConvNext])
def test_true_size(proof, network):
    module = network((3, 3, 9, 3))
    assert sum(value.numel() for value in module.parameters()) == 28_589_128
    opened = proof.computes(module, 96)
    assert opened.model.name == "convnext_tiny"

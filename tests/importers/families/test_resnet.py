import pytest

from tests.importers.families.torch_networks import ResNet


def test_blocks_of_two_convolutions(proof):
    opened = proof.holds(ResNet((2, 1, 1, 1), width=8, classes=7), 64)
    assert opened.model.output_shape == (None, 7)
    assert opened.inputs.name == "torch"
    assert opened.inputs.origin == "known"


def test_blocks_of_three_convolutions(proof):
    proof.holds(ResNet((1, 2, 1, 1), width=8, deep=True, classes=5), 64)


def test_pictures_whose_size_no_stride_divides(proof):
    proof.holds(ResNet((1, 1, 1, 1), width=8, classes=3), 75)


def test_groups_are_read_from_the_kernels(proof):
    proof.holds(ResNet((1, 1, 1, 1), width=8, deep=True, classes=5, groups=4), 64)


def test_a_network_without_classifier_answers_pooled_features(proof):
    opened = proof.holds(ResNet((1, 1, 1, 1), width=8, classes=0), 64)
    assert opened.model.output_shape == (None, 64)


def test_pictures_of_one_channel(proof):
    proof.holds(ResNet((1, 1, 1, 1), width=8, classes=3, channels=1), 64, warnings=("x / 255 is assumed",))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "deep", "name", "parameters"),
    [((2, 2, 2, 2), False, "resnet18", 11_689_512), ((3, 4, 6, 3), True, "resnet50", 25_557_032)],
)
def test_true_size(proof, counts, deep, name, parameters):
    module = ResNet(counts, deep=deep)
    assert sum(value.numel() for value in module.parameters()) == parameters
    opened = proof.computes(module, 96)
    assert opened.model.name == name

import pytest

from regraft import formats, importers
from regraft.core.errors import SourceError
from regraft.importers import families
from tests.importers.families.torch_networks import VGG_COUNTS, Vgg


@pytest.mark.parametrize(("name", "normed"), [("vgg11", False), ("vgg13", True), ("vgg19", True)])
def test_numbers(proof, name, normed):
    opened = proof.holds(Vgg(VGG_COUNTS[name], 4, normed, hidden=8, classes=3), 32)
    assert opened.inputs.name == "torch"


@pytest.mark.parametrize("normed", [False, True])
@pytest.mark.parametrize("name", VGG_COUNTS)
def test_every_depth_is_named(proof, name, normed):
    path = proof.saved(Vgg(VGG_COUNTS[name], 4, normed, hidden=8, classes=3))
    found = families.recognised(formats.read(path))
    assert found.member.name == name + ("_bn" if normed else "")


@pytest.mark.parametrize("size", [224, 256])
def test_rows_of_the_classifier_go_with_the_flattened_map(proof, size):
    opened = proof.holds(Vgg(VGG_COUNTS["vgg11"], 4, hidden=8, classes=3), size)
    layers = [type(layer).__name__ for layer in opened.model.layers]
    assert "Permute" not in layers
    assert ("AveragePooling2D" in layers) == (size == 256)


@pytest.mark.parametrize("size", [32, 256])
def test_the_convolved_head_of_timm(proof, size):
    proof.holds(Vgg(VGG_COUNTS["vgg11"], 4, hidden=8, classes=3, head="timm"), size)


@pytest.mark.parametrize("head", ["cut", ""])
def test_without_the_classifier(proof, head):
    opened = proof.holds(Vgg(VGG_COUNTS["vgg11"], 4, hidden=8, head=head), 224)
    assert opened.model.output_shape == ((None, 8) if head else (None, 7, 7, 32))


def test_maps_that_no_layer_brings_to_seven_by_seven(proof):
    path = proof.saved(Vgg(VGG_COUNTS["vgg11"], 4, hidden=8))
    with pytest.raises(SourceError, match=r"a map of 3 x 3 .* say --input-size 224, 256, 448, or at most 63"):
        importers.open(path, input_size=96)


def test_pictures_that_are_too_small(proof):
    path = proof.saved(Vgg(VGG_COUNTS["vgg11"], 4, hidden=8))
    with pytest.raises(SourceError, match=r"pictures of 16 x 16 pixels are too small for 'features\.20'; say a larger"):
        importers.open(path, input_size=16)


@pytest.mark.slow
def test_true_size(proof):
    module = Vgg(VGG_COUNTS["vgg16"], head="")
    assert sum(value.numel() for value in module.parameters()) == 14_714_688
    proof.computes(module, 64)

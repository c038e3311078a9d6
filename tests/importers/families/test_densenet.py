import re

import pytest

from regraft import importers
from tests.importers.families.conftest import same_outputs
from tests.importers.families.torch_networks import DenseNet


@pytest.mark.parametrize("size", [64, 75])
def test_numbers(proof, size):
    opened = proof.holds(DenseNet((2, 1, 2, 1), growth=4, first=8, classes=3), size)
    assert opened.inputs.name == "torch"


def test_without_the_classifier(proof):
    proof.holds(DenseNet((1, 2), growth=4, first=8, classes=0), 64)


def test_names_of_files_before_2018(proof):
    def old(tensors):
        pattern = r"(denselayer\d+\.(?:norm|conv))(\d)"
        named = {re.sub(pattern, r"\1.\2", name): value for name, value in tensors.items()}
        return {name: value for name, value in named.items() if "num_batches" not in name}

    module = DenseNet((2, 1), growth=4, first=8, classes=3)
    path = proof.saved(module, wrap=old)
    opened = importers.open(path, input_size=64)
    assert not opened.report.skipped
    assert not opened.report.unused
    assert opened.inputs.origin == "known"
    same_outputs(module, opened.model)


@pytest.mark.slow
def test_true_size(proof):
    module = DenseNet((6, 12, 24, 16))
    assert sum(value.numel() for value in module.parameters()) == 7_978_856
    opened = proof.computes(module, 96)
    assert opened.model.name == "densenet121"

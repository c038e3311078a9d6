"""Wrappers, keys, what does not fit, and that `inspect` says what `open` makes."""

import copy
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import regraft
from regraft import formats, importers
from regraft.core.errors import CorruptFileError, ProofError, RegraftError, RequestError, SourceError
from regraft.core.tensors import TensorArchive, TensorEntry
from regraft.importers import families
from tests.importers.families.conftest import same_outputs, torch
from tests.importers.families.torch_networks import (
    VGG_COUNTS,
    CifarResNet,
    ConvNext,
    DenseNet,
    EfficientNet,
    MobileNetV2,
    ResNet,
    TimmConvNext,
    Vgg,
    shaken,
    timm_efficientnet,
    timm_mobilenet_v2,
)


def _small():
    return ResNet((1, 1, 1, 1), width=8, classes=3)


def _prefixed(prefix):
    return lambda tensors: {prefix + name: value for name, value in tensors.items()}


@pytest.mark.parametrize(
    "prefix", ["module.", "model.", "_orig_mod.", "backbone.", "model.module.", "a.b.c.", "module.net."]
)
def test_prefixes_are_taken_off(proof, prefix):
    module = _small()
    found = families.recognised(formats.read(proof.saved(module, wrap=_prefixed(prefix))))
    assert set(found.entries) == set(module.state_dict())
    assert sum(name.endswith("num_batches_tracked") for name in module.state_dict()) == len(found.counters)


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state", "model_state_dict", "ema", "net"])
def test_the_state_dict_may_be_under_any_key(proof, key):
    path = proof.saved(_small(), wrap=lambda tensors: {"epoch": 3, key: _prefixed("module.")(tensors)})
    assert families.recognised(formats.read(path)).member.family == "resnet"


def test_a_wrapped_network_computes_the_same(proof):
    proof.holds(_small(), 64, wrap=lambda tensors: {"epoch": 3, "model": _prefixed("model.")(tensors)})


def test_the_averaged_set_of_two_is_taken(proof):
    module, averaged = _small(), _small()
    first = proof.saved(module)
    tensors = torch.load(first)
    shaken(averaged, seed=1)
    sets = {"state_dict": tensors, "state_dict_ema": averaged.state_dict()}
    torch.save(sets, proof.folder / "both.pth")
    opened = importers.open(proof.folder / "both.pth", input_size=64)
    same_outputs(averaged.eval(), opened.model)
    assert all(name.startswith("state_dict/") for name in opened.report.unused)
    assert len(opened.report.unused) == len(tensors)
    assert any("'state_dict_ema' was taken" in note for note in opened.report.notes)


def test_two_sets_of_one_kind_are_refused(proof):
    path = proof.saved(_small(), wrap=lambda tensors: {"student": tensors, "teacher": copy.deepcopy(tensors)})
    with pytest.raises(SourceError, match=r"expected one state dict in '.*', found 2: 'student', 'teacher'"):
        importers.open(path)


def _without(*names):
    return lambda tensors: {name: value for name, value in tensors.items() if name not in names}


@pytest.mark.parametrize(
    ("wrap", "said"),
    [
        (_without("layer2.0.conv2.weight", "bn1.bias"), r"found 2 missing \(bn1\.bias, layer2\.0\.conv2\.weight\);"),
        (_without("layer2.0.downsample.0.weight"), r"found 1 missing \(layer2\.0\.downsample\.0\.weight\);"),
        (_without("fc.bias"), None),
        (lambda tensors: {**tensors, "fc2.weight": torch.ones(2)}, r"found 1 that it does not have \(fc2\.weight\);"),
        (
            lambda tensors: {**tensors, "bn1.bias": torch.ones(9)},
            r"found 1 of another shape \('bn1\.bias' is 9, expected 8\);",
        ),
        (
            lambda tensors: {**tensors, "layer1.0.conv1.weight": torch.ones(8, 3, 3, 3)},
            r"1 of another shape \('layer1\.0\.conv1\.weight' is 8 x 3 x 3 x 3, expected one for 8 channels\)",
        ),
        (
            lambda tensors: {**tensors, "layer3.99999999999.conv1.weight": torch.ones(1)},
            r"looks like resnet in the names of torchvision and timm; expected its tensors and no others",
        ),
    ],
)
def test_what_does_not_fit_is_named(proof, wrap, said):
    path = proof.saved(_small(), wrap=wrap)
    if said is None:
        assert families.recognised(formats.read(path)).member.family == "resnet"
        return
    with pytest.raises(ProofError, match=said):
        importers.open(path)
    assert any("expected its tensors and no others" in warning for warning in regraft.inspect(path).warnings)


def test_names_of_no_family(proof):
    torch.save({"a.weight": torch.ones(3, 2), "a.bias": torch.ones(3)}, proof.folder / "own.pth")
    with pytest.raises(SourceError) as raised:
        importers.open(proof.folder / "own.pth")
    assert "holds 2 tensors ('a.weight' 3 x 2, ...) in no naming that is known (of resnet, " in str(raised.value)
    assert "but no architecture; say which with --architecture keras:NAME" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_numbers_of_other_widths(proof, dtype):
    path = proof.saved(CifarResNet(1, 4), wrap=lambda tensors: {name: item.to(dtype) for name, item in tensors.items()})
    module = CifarResNet(1, 4)
    module.load_state_dict(torch.load(path))
    same_outputs(module.eval(), importers.open(path).model)


def test_safetensors(proof):
    module = CifarResNet(1, 4)
    tensors = {f"model.{name}": np.array(value.numpy()) for name, value in torch.load(proof.saved(module)).items()}
    header, content = {}, b""
    for name, value in tensors.items():
        kind = {"float32": "F32", "int64": "I64"}[str(value.dtype)]
        places = [len(content), len(content) + value.nbytes]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": places}
        content += value.tobytes()
    text = json.dumps(header).encode()
    path = proof.folder / "model.safetensors"
    path.write_bytes(len(text).to_bytes(8, "little") + text + content)
    opened = importers.open(path)
    same_outputs(module, opened.model)
    assert any("the prefix 'model.' was taken off" in note for note in opened.report.notes)


def test_a_file_that_is_cut_off(proof):
    path = proof.saved(_small())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises((CorruptFileError, SourceError)):
        importers.open(path)


NETWORKS = {
    "resnet": _small,
    "bottleneck": lambda: ResNet((1, 1, 1, 1), width=8, deep=True, classes=3),
    "resnet_cifar": lambda: CifarResNet(1, 4),
    "vgg": lambda: Vgg(VGG_COUNTS["vgg11"], 4, True, hidden=8, classes=3),
    "vgg_timm": lambda: Vgg(VGG_COUNTS["vgg11"], 4, hidden=8, classes=3, head="timm"),
    "mobilenet_v2": lambda: MobileNetV2(0.25, classes=3, last=16),
    "mobilenet_v2_timm": lambda: timm_mobilenet_v2(0.25, classes=3, last=16),
    "densenet": lambda: DenseNet((2, 1), growth=4, first=8, classes=3),
    "efficientnet": lambda: EfficientNet(0.25, classes=3),
    "efficientnet_timm": lambda: timm_efficientnet(0.25, classes=3, last=16),
    "convnext": lambda: ConvNext((1, 1, 1, 1), 8, classes=3),
    "convnext_timm": lambda: TimmConvNext((1, 1, 1, 1), 8, classes=3),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_of_one_family_only(proof, name):
    archive = formats.read(proof.saved(NETWORKS[name]()))
    shapes = {key: entry.shape for key, entry in archive.tensors.items()}
    of = [family.NAME for family in families.FAMILIES if family.recognises(shapes)]
    assert len(of) == 1
    found = families.recognised(archive)
    assert found.member.family == of[0]
    assert not found.sketch.extra


@pytest.mark.parametrize("name", NETWORKS)
def test_shapes_that_no_layer_has_are_refused(name):
    with torch.device("meta"):
        shapes = {key: tuple(value.shape) for key, value in NETWORKS[name]().state_dict().items()}
    keys = [key for key in shapes if "num_batches" not in key]
    refused: list[str] = []
    for key in [*keys[:8], *keys[-4:]]:
        for shape in ((), (1,), (0, 3), (2, 0, 1, 1), (1, 1, 1, 0)):
            altered = {**shapes, key: shape}
            entries = {each: TensorEntry(each, made, "float32", lambda: None) for each, made in altered.items()}
            try:
                assert families.recognised(TensorArchive("safetensors", entries)) is None
            except RegraftError as error:
                refused.append(str(error))
    assert len(refused) > 20
    assert not any("\n" in said for said in refused)


@pytest.mark.parametrize("name", ["bottleneck", "resnet_cifar", "vgg", "densenet", "efficientnet_timm", "convnext"])
def test_inspect_says_what_open_makes(proof, name):
    path = proof.saved(NETWORKS[name]())
    seen = regraft.inspect(path)
    model = importers.open(path).model
    made = {point.name: point for point in regraft.cut_points(model)}
    assert len(seen.cut_points) > 3
    assert [point.name for point in seen.cut_points] == list(made)
    for point in seen.cut_points:
        assert point.shape == made[point.name].shape, point.name
        assert point.parameters_below == made[point.name].parameters_below, point.name


def test_inspect_loads_no_framework(proof):
    path = proof.saved(_small())
    program = (
        "import sys, regraft; found = regraft.inspect(sys.argv[1], page=sys.argv[2]); print(found.metadata['network'], "
        "len(found.layers), [name for name in ('keras', 'torch', 'tensorflow', 'jax') if name in sys.modules])"
    )
    arguments = [sys.executable, "-c", program, str(path), str(proof.folder / "page.html")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["resnet", "46", "[]"]
    assert "layer1_0_conv1" in (proof.folder / "page.html").read_text(encoding="utf-8")


def test_convert(proof):
    module = _small()
    path, out = proof.saved(module), proof.folder / "network.keras"
    done = regraft.convert(path, out, input_size=64)
    assert done.format == "pytorch"
    assert done.whole
    assert "regraft.json" in zipfile.ZipFile(out).namelist()
    again = importers.open(out)
    same_outputs(module, again.model)
    assert (again.inputs.name, again.inputs.origin) == ("torch", "known")
    with pytest.raises(RequestError, match="which holds no graph that another program could run; leave --check out"):
        regraft.convert(path, out, check=True)

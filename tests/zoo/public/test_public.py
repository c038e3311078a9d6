"""Facts of public zoos are those of the programs that publish them, and what is here is found where these keep it."""

import importlib.util
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import pytest
from keras.src.backend.common.stateless_scope import StatelessScope

from regraft.core.errors import RequestError
from regraft.core.plain import from_plain, to_json, to_plain
from regraft.core.public import PublicNetwork, PublicZoo
from regraft.importers import conventions, keras_applications
from regraft.importers.families import FAMILIES
from regraft.zoo.public import ZOOS, public

# Networks that are built here in a second or less; together they have every rule by which files are called.
SMALL = (
    "DenseNet121", "EfficientNetB0", "EfficientNetV2B0", "ResNet50", "ResNet50V2", "VGG16", "Xception", "InceptionV3",
    "ConvNeXtTiny",
)  # fmt: skip


def by_name(zoo: str) -> Mapping[str, PublicNetwork]:
    return {network.name: network for network in public(zoo).networks}


def mobiles() -> list[str]:
    return [name for name in by_name("keras") if name.startswith("MobileNet")]


def widths() -> list[str]:
    """Every width at 224 pixels, and the least of all."""
    small = ("MobileNet?alpha=0.25&input_shape=128,128,3", "MobileNetV2?alpha=0.35&input_shape=96,96,3")
    return [name for name in mobiles() if "input_shape" not in name or name in small]


def of_keras(source: str) -> tuple[int, str]:
    """Parameters of a network without its classifier, and the file that Keras would download; no array is made."""
    name, arguments = keras_applications.parse(source)
    function: Any = getattr(keras.applications, name)
    size = conventions.size_of(name)
    arguments.setdefault("input_shape", (size, size, 3))
    files: list[str] = []

    def get_file(fname: str, *_: Any, **__: Any) -> str:
        files.append(fname)
        return fname

    asks = mock.patch("keras.src.utils.file_utils.get_file", get_file)
    with StatelessScope(), asks, mock.patch.object(keras.Model, "load_weights"):
        model = function(weights="imagenet", include_top=False, **arguments)
    return model.count_params(), files[0]


def test_every_network_of_keras_is_there_with_the_size_that_regraft_opens_it_for() -> None:
    plain = {name: network for name, network in by_name("keras").items() if "?" not in name}
    assert set(plain) == set(keras_applications.functions())
    for name, network in plain.items():
        assert network.size == conventions.size_of(name), name
        assert network.source == f"keras:{name}"
        assert network.top1 is not None
        assert network.licence


@pytest.mark.parametrize("name", [*SMALL, *widths()])
def test_parameters_and_files_are_those_of_keras(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    network = by_name("keras")[name]
    parameters, file = of_keras(network.source)
    assert network.parameters == parameters
    assert not network.here
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / file).touch()
    assert by_name("keras")[name].here == str(tmp_path / "models" / file)
    assert [other.name for other in public("keras").networks if other.here] == [name]


def test_widths_and_sizes_of_the_address_are_those_that_are_listed() -> None:
    for name in mobiles():
        network = by_name("keras")[name]
        _, arguments = keras_applications.parse(network.source)
        assert arguments.get("input_shape", (224, 224, 3)) == (network.size, network.size, 3)


@pytest.mark.parametrize("zoo", ZOOS)
def test_facts_are_whole_and_in_order(zoo: str) -> None:
    networks = public(zoo).networks
    assert len({network.name for network in networks}) == len(networks) > 70
    for network in networks:
        assert network.zoo == zoo
        assert network.parameters > 100_000
        assert network.size is None or 96 <= network.size <= 1024
        if network.top1 is not None:
            assert 0.4 < network.top1 < (network.top5 or 1) <= 1
    rated = [network.top1 for network in networks if network.top1 is not None]
    assert rated == sorted(rated, reverse=True)


@pytest.mark.parametrize("zoo", ZOOS)
def test_facts_are_documents(zoo: str) -> None:
    found = public(zoo)
    assert from_plain(PublicZoo, to_plain(found)) == found
    assert to_json(found)


def test_families_of_timm_are_those_that_regraft_draws() -> None:
    known = {family.NAME for family in FAMILIES}
    assert {network.family for network in public("timm").networks} <= known


# Parameters that learn, by the papers' own tables of sizes, with a classifier for a thousand classes.


def _normed(*shape: int) -> int:
    return math.prod(shape) + 2 * shape[0]


def _resnet(kind: str) -> int:
    depths = {"18": (2, 2, 2, 2), "26": (2, 2, 2, 2), "34": (3, 4, 6, 3), "50": (3, 4, 6, 3)}
    depths |= {"101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
    found = re.fullmatch(r"(?:wide_)?resne[xt]t?(\d+)(?:_(2|(\d+)x(\d+)d))?", kind)
    assert found
    deep, groups = found[1] not in ("18", "34"), int(found[3] or 1)
    base = int(found[4] or (128 if found[2] == "2" else 64))
    total, below = _normed(64, 3, 7, 7), 64
    for stage, count in enumerate(depths[found[1]]):
        out = (256 if deep else 64) * 2**stage
        middle = groups * base * 2**stage
        for _ in range(count):
            if deep:
                total += _normed(middle, below) + _normed(middle, middle // groups, 3, 3) + _normed(out, middle)
            else:
                total += _normed(out, below, 3, 3) + _normed(out, out, 3, 3)
            total += _normed(out, below) if below != out else 0
            below = out
    return total + below * 1000 + 1000


def _vgg(kind: str) -> int:
    depths = {"11": (1, 1, 2, 2, 2), "13": (2, 2, 2, 2, 2), "16": (2, 2, 3, 3, 3), "19": (2, 2, 4, 4, 4)}
    normed = kind.endswith("_bn")
    total, below = 0, 3
    for count, out in zip(depths[re.sub(r"\D", "", kind)], (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            total += out * below * 9 + out + (2 * out if normed else 0)
            below = out
    return total + 4096 * (512 * 49 + 1) + 4096 * 4097 + 1000 * 4097


def _densenet(kind: str) -> int:
    depths = {"121": (6, 12, 24, 16), "161": (6, 12, 36, 24), "169": (6, 12, 32, 32), "201": (6, 12, 48, 32)}
    growth, channels = (48, 96) if kind.endswith("161") else (32, 64)
    total = _normed(channels, 3, 7, 7)
    for block, count in enumerate(depths[kind.removeprefix("densenet")]):
        for _ in range(count):
            total += 2 * channels + _normed(4 * growth, channels) + growth * 4 * growth * 9
            channels += growth
        if block < 3:
            total += 2 * channels + channels * (channels // 2)
            channels //= 2
    return total + 2 * channels + channels * 1000 + 1000


def _convnext(kind: str) -> int:
    sizes = {
        "atto": ((2, 2, 6, 2), 40), "femto": ((2, 2, 6, 2), 48), "pico": ((2, 2, 6, 2), 64), "nano": ((2, 2, 8, 2), 80),
        "tiny": ((3, 3, 9, 3), 96), "small": ((3, 3, 27, 3), 96), "base": ((3, 3, 27, 3), 128),
        "large": ((3, 3, 27, 3), 192), "xlarge": ((3, 3, 27, 3), 256),
    }  # fmt: skip
    depths, width = sizes[kind.removeprefix("convnext_")]
    total = width * 3 * 16 + 3 * width
    for stage, count in enumerate(depths):
        out = width * 2**stage
        total += out + out * (out // 2) * 4 + out if stage else 0
        total += count * (out * 49 + out + 2 * out + 8 * out * out + 5 * out + out)
    return total + 2 * out + out * 1000 + 1000


_COUNTED = {"resnet": _resnet, "vgg": _vgg, "densenet": _densenet, "convnext": _convnext}


@pytest.mark.parametrize("family", _COUNTED)
def test_parameters_of_timm_are_those_of_the_papers_networks(family: str) -> None:
    networks = [network for network in public("timm").networks if network.family == family]
    assert len(networks) > 4
    for network in networks:
        # timm publishes them to a hundredth of a million.
        assert abs(_COUNTED[family](network.name.partition(".")[0]) - network.parameters) <= 5001, network.name


def test_tags_of_timm_say_what_was_learnt_from_in_order_and_licences_follow_them() -> None:
    found = by_name("timm")
    assert found["convnext_base.clip_laion2b_augreg_ft_in12k_in1k"].learnt_from == (
        "LAION-2B, then ImageNet-12k, then ImageNet-1k"
    )
    assert found["resnet50.a1_in1k"].learnt_from == "ImageNet-1k"
    assert found["resnet50.fb_swsl_ig1b_ft_in1k"].licence == "CC-BY-NC-4.0"
    assert found["resnet50.tv_in1k"].licence == "BSD-3-Clause"


def test_weights_of_timm_are_found_where_hugging_face_keeps_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--timm--resnet18.a1_in1k" / "snapshots" / ("a" * 40)
    folder.mkdir(parents=True)
    assert not by_name("timm")["resnet18.a1_in1k"].here
    (folder / "model.safetensors").touch()
    network = by_name("timm")["resnet18.a1_in1k"]
    assert network.here == network.source == str(folder / "model.safetensors")


def test_presets_are_found_where_kaggles_client_keeps_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    network = by_name("keras-hub")["resnet_50_imagenet"]
    assert not network.here
    (tmp_path / "models" / network.source.removeprefix("kaggle://")).mkdir(parents=True)
    assert by_name("keras-hub")["resnet_50_imagenet"].here.startswith(str(tmp_path))


def test_presets_are_those_of_keras_hub() -> None:
    if importlib.util.find_spec("keras_hub") is None:
        pytest.skip("keras-hub is not installed: its presets cannot be compared with the facts")
    backbone = sys.modules.get("keras_hub") or __import__("keras_hub")
    known: dict[str, Any] = {}
    for kind in vars(backbone.models).values():
        if isinstance(kind, type) and issubclass(kind, backbone.models.Backbone):
            known |= kind.presets
    for network in public("keras-hub").networks:
        stated = known[network.name]
        assert stated["metadata"]["params"] == network.parameters, network.name
        assert stated["kaggle_handle"].rpartition("/")[0] == network.source.rpartition("/")[0]


def test_presets_have_the_accuracy_of_the_weights_that_they_were_made_of() -> None:
    presets, weights = by_name("keras-hub"), by_name("timm")
    for preset, name in {
        "resnet_18_imagenet": "resnet18.a1_in1k",
        "resnet_50_imagenet": "resnet50.a1_in1k",
        "resnet_101_imagenet": "resnet101.a1_in1k",
        "vgg_16_imagenet": "vgg16.tv_in1k",
        "densenet_121_imagenet": "densenet121.tv_in1k",
        "efficientnet_b0_ra_imagenet": "efficientnet_b0.ra_in1k",
        "efficientnet_b4_ra2_imagenet": "efficientnet_b4.ra2_in1k",
    }.items():
        one, other = presets[preset], weights[name]
        assert (one.top1, one.top5, one.size, one.licence) == (other.top1, other.top5, other.size, other.licence), (
            preset
        )


def test_presets_without_an_accuracy_know_no_classes_of_imagenet_1k() -> None:
    for network in public("keras-hub").networks:
        if network.takes == "texts" or network.family == "mit":
            assert network.top1 is None, network.name
        else:
            assert (network.top1 is None) == (network.learnt_from in ("ImageNet-21k", "ImageNet-12k")), network.name


def test_all_presets_but_some_of_ms_marco_have_a_licence() -> None:
    without = {network.name for network in public("keras-hub").networks if not network.licence}
    assert without == {name for name in by_name("keras-hub") if name.startswith(("msmarco_", "multi_qa_"))}
    assert len(without) == 4


def test_words_choose_among_networks() -> None:
    assert [network.name for network in public("keras", "MobileNetV3 0.75").networks] == [
        "MobileNetV3Large?alpha=0.75",
        "MobileNetV3Small?alpha=0.75",
    ]
    assert all(network.licence == "CC-BY-NC-4.0" for network in public("timm", "cc-by-nc").networks)
    assert not public("timm", "keras").networks


def test_an_unknown_zoo_is_answered_with_the_nearest() -> None:
    with pytest.raises(RequestError, match="expected the zoo keras or keras-hub or timm, found 'kreas'; nearest"):
        public("kreas")

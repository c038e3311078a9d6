"""What is said and makes no difference is refused before anything is learnt."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

import regraft
from regraft.core.errors import DataError, RequestError
from regraft.core.pretraining import Kind, Spec
from regraft.pretraining import METHODS, method

_random = np.random.default_rng(0)
NUMBERS = _random.normal(size=(40, 6))
PICTURES = _random.integers(0, 256, (40, 8, 8, 3), np.uint8)
TEXTS = [f"a fine film {'plot' if index % 2 else 'cast'}" for index in range(40)]


@pytest.mark.parametrize(
    ("name", "data", "given", "message"),
    [
        ("corrupted", NUMBERS, {"tokens": "words"}, r"--tokens .* on the numbers in .*: it is for texts; leave it out"),
        ("masked", PICTURES, {"vocabulary": 9}, r"--vocabulary-size .* on the pictures in .*: it is for texts"),
        ("masked", PICTURES, {"length": 9}, r"--length .*: it is for texts"),
        ("masked", PICTURES, {"scaling": "unit"}, r"--scaling .*: it is for plain numbers; leave it out"),
        ("barlow-twins", PICTURES, {"settings": {"cells": 0}}, r"--set cells .* to 'barlow-twins' .* numbers and tab"),
        ("barlow-twins", NUMBERS, {"settings": {"mirror": True}}, r"--set mirror .*: it is for pictures; leave it out"),
        ("masked", TEXTS, {"settings": {"visible": 1}}, r"--set visible .* for pictures, numbers and tables; leave"),
        ("masked", NUMBERS, {"settings": {"patch": 2}}, r"--set patch .*: it is for pictures"),
        ("corrupted", NUMBERS, {"settings": {"words": "swap"}}, r"--set words .*: it is for texts"),
        ("corrupted", TEXTS, {"settings": {"course": "constant", "last_strength": 0.1}}, r"--set last_strength .*=lin"),
        ("autoencoder", NUMBERS, {"settings": {"target": 0.1}}, r"--set target .*: it is for sparsity above 0"),
        (
            "denoising-autoencoder",
            NUMBERS,
            {"settings": {"noise": 0, "emphasis": 3}},
            r"--set emphasis .* noise above 0",
        ),
        ("denoising-autoencoder", NUMBERS, {"settings": {"noise": 0, "noise_kind": "masking"}}, r"--set noise_kind .*"),
        (
            "stacked-autoencoder",
            NUMBERS,
            {"settings": {"noise": 0, "noise_kind": "gaussian"}},
            r"--set noise_kind .* 0",
        ),
        ("dbn", NUMBERS, {"settings": {"sparsity_cost": 1}}, r"--set sparsity_cost .*: it is for sparsity above 0"),
        ("masked", NUMBERS, {"settings": {"momentum": 0.9}}, r"--set momentum .*: it is for optimizer=sgd"),
        ("masked", NUMBERS, {"settings": {"schedule": "constant", "warmup": 0.1}}, r"--set warmup .*schedule=cosine"),
        ("ranking", NUMBERS, {"settings": {"by": "labels", "strength": 0.3}}, r"--set strength .* by=corrupted"),
        ("pairs", NUMBERS, {"settings": {"hidden": 8}}, r"--set hidden .*: it is for loss=same; leave it out"),
        ("pairs", NUMBERS, {"settings": {"same": 0.3}}, r"--set same .* loss=same or loss=contrastive"),
        ("pairs", NUMBERS, {"settings": {"loss": "same", "margin": 1}}, r"--set margin .* loss=triplet"),
        ("pairs", NUMBERS, {"settings": {"views": 2}}, r"--set views .*: it is for pictures"),
    ],
)
def test_what_nothing_reads_is_refused_with_what_it_is_for(
    name: str, data: Any, given: dict[str, Any], message: str, tmp_path: Path
) -> None:
    labelled = data if isinstance(data, list) else {"x": data, "y": np.arange(len(data)) % 2}
    with pytest.raises(RequestError, match=message):
        regraft.pretrain(name, labelled, out=tmp_path / "out", **given)
    assert not (tmp_path / "out" / "asked.toml").exists()


def test_a_table_is_scaled_as_standard_or_none(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{row[0]:.3f},{row[1]:.3f}\n" for row in NUMBERS))
    given: dict[str, Any] = {"architecture": "mlp?units=2", "epochs": 1, "probe": 0}
    with pytest.raises(RequestError, match=r"--scaling .* on the table in .* as standard or none for tables"):
        regraft.pretrain("masked", tmp_path / "t.csv", out=tmp_path / "no", scaling="unit", **given)
    regraft.pretrain("masked", tmp_path / "t.csv", out=tmp_path / "yes", scaling="none", **given)


def test_what_is_said_and_read_is_taken(tmp_path: Path) -> None:
    settings = {"loss": "same", "hidden": 4, "same": 0.4, "optimizer": "sgd", "momentum": 0.5, "batch_size": 8}
    data = {"x": NUMBERS, "y": np.arange(len(NUMBERS)) % 2}
    given: dict[str, Any] = {"architecture": "mlp?units=2", "epochs": 1, "probe": 0, "scaling": "unit"}
    made = regraft.pretrain("pairs", data, out=tmp_path / "out", settings=settings, **given)
    assert made.record.asked.settings["hidden"] == 4


def test_two_figures_for_one_thing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"epochs are said twice, 1 and --set epochs=3; leave one out"):
        regraft.pretrain("masked", NUMBERS, out=tmp_path / "out", epochs=1, settings={"epochs": 3})


def test_a_comparison_without_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match=r"--compare yes .*, found --probe 0; leave one of them out"):
        regraft.pretrain("masked", NUMBERS, out=tmp_path / "out", compare="yes", probe=0)
    with pytest.raises(DataError, match=r"--compare yes .*, found too few in .*; bring some with --labels"):
        regraft.pretrain("masked", NUMBERS, out=tmp_path / "out", compare="yes")
    assert not (tmp_path / "out" / "asked.toml").exists()


@pytest.mark.parametrize("name", METHODS)
def test_what_is_unused_are_settings(name: str) -> None:
    chosen = method(name)
    settings = chosen.Settings()
    names = {field.name for field in dataclasses.fields(chosen.Settings)}
    for kind in get_args(Kind):
        assert set(settings.unused(kind) if hasattr(settings, "unused") else {}) <= names
    spec = Spec(optimizer="adam", schedule="constant")
    assert set(spec.unused) == {"momentum", "warmup"} <= {field.name for field in dataclasses.fields(Spec)}

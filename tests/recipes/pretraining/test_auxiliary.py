"""Tasks whose labels are free, as a journey: a source by pairs, a setting refused, one group alone."""

from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.core.errors import DataError, RequestError


def _numbers() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    kind = np.arange(120) % 4
    return (random.normal(size=(4, 8))[kind] * 2 + random.normal(size=(120, 8))).astype(np.float32), kind


def test_pairs_make_a_source_that_opens(tmp_path: Path) -> None:
    x, kind = _numbers()
    made = regraft.pretrain(
        "pairs",
        {"x": x, "y": kind},
        out=tmp_path / "source",
        architecture="mlp?units=8",
        epochs=2,
        settings={"loss": "contrastive", "hard": 0.2, "batch_size": 32},
        probe=0,
    )
    assert made.record.asked.settings["loss"] == "contrastive"
    assert set(made.record.stages[0].history[-1].measures) == {"accuracy"}
    opened = regraft.open(str(tmp_path / "source")).model
    assert [layer.name for layer in opened.layers if layer.weights] == ["hidden1"]


def test_one_group_is_named(tmp_path: Path) -> None:
    x, _ = _numbers()
    data = {"x": x, "y": np.zeros(len(x), np.int64)}
    with pytest.raises(DataError, match=r"'pairs' tells groups apart, found one .*: '0', .* such as barlow-twins"):
        regraft.pretrain("pairs", data, out=tmp_path / "source", architecture="mlp?units=8")


def test_a_setting_that_is_misspelt_or_out_of_range_is_named(tmp_path: Path) -> None:
    x, _ = _numbers()
    with pytest.raises(RequestError, match=r"strenght.*strength"):
        regraft.pretrain("corrupted", x, out=tmp_path / "one", settings={"strenght": 0.3})
    with pytest.raises(RequestError, match="'strength': expected a share above 0 and up to 1, found 3"):
        regraft.pretrain("corrupted", x, out=tmp_path / "two", settings={"strength": 3})

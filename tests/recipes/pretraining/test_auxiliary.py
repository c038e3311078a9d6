"""Tasks whose labels are free, as a journey: a source by pairs, a setting refused, one group alone."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import regraft
from regraft.core.errors import DataError, RequestError
from regraft.core.progress import collecting_warnings


def _numbers() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    kind = np.arange(120) % 4
    return (random.normal(size=(4, 8))[kind] * 2 + random.normal(size=(120, 8))).astype(np.float32), kind


def _table(folder: Path, labels: list[str]) -> Path:
    """Two numbers a row."""
    random = np.random.default_rng(0)
    lines = (
        f"{a:.3f},{b:.3f},{label}\n" for (a, b), label in zip(random.random((len(labels), 2)), labels, strict=True)
    )
    (folder / "t.csv").write_text("one,two,label\n" + "".join(lines))
    return folder / "t.csv"


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
    with pytest.raises(DataError, match=r"two groups or more for pairs in .*, found one: '0', .* such as barlow-twins"):
        regraft.pretrain("pairs", data, out=tmp_path / "source", architecture="mlp?units=8")


def test_one_folder_of_pictures_is_named(tmp_path: Path) -> None:
    (tmp_path / "animals" / "cats").mkdir(parents=True)
    for number, picture in enumerate(np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)):
        Image.fromarray(picture).save(tmp_path / "animals" / "cats" / f"{number}.png")
    with pytest.raises(DataError, match=r"expected at least two classes in '.*animals', found only 'cats'"):
        regraft.pretrain("pairs", tmp_path / "animals", out=tmp_path / "source")


@pytest.mark.parametrize(("method", "settings"), [("pairs", {}), ("ranking", {"by": "labels"})])
def test_examples_without_a_label_are_left_out_and_counted(tmp_path: Path, method: str, settings: dict) -> None:
    table = _table(tmp_path, ["a", "b", ""] * 40)
    with collecting_warnings() as warned:
        made = regraft.pretrain(
            method, table, out=tmp_path / "source", architecture="mlp?units=4", epochs=1, settings=settings, probe=0
        )
    (line,) = (line for line in warned if "label" in line)
    learnt = made.record.examples + made.record.held_out
    missing, total = 40, learnt + 40
    assert line.startswith(
        f"left out {missing} of {total} examples of '{table}', which have no label; '{method}' learns"
    )
    assert (made.record.unknown, made.record.unused) == (missing, 80 - learnt)
    assert learnt <= 80


def test_one_class_to_rank_is_named_and_counted(tmp_path: Path) -> None:
    table = _table(tmp_path, ["yes"] * 120)
    with pytest.raises(
        DataError, match=r"more to put in order in the column 'label' of '.*t.csv', found one: 'yes', of all \d\d+ ex"
    ):
        regraft.pretrain("ranking", table, out=tmp_path / "source", settings={"by": "labels"})
    assert not (tmp_path / "source" / "pretraining.toml").exists()


def test_where_no_example_has_a_label_ranking_says_so(tmp_path: Path) -> None:
    x, _ = _numbers()
    with pytest.raises(DataError, match=r"'ranking' with these settings .* labelled .*; give labels as y beside x"):
        regraft.pretrain("ranking", x, out=tmp_path / "source", settings={"by": "labels"})


def test_groups_of_one_are_named(tmp_path: Path) -> None:
    x, _ = _numbers()
    with pytest.raises(
        DataError, match=r"expected a group with two examples or more in .*, found \d+ groups of one each"
    ):
        regraft.pretrain("pairs", {"x": x, "y": np.arange(len(x))}, out=tmp_path / "source")


def test_labels_that_are_there_once_are_ranked(tmp_path: Path) -> None:
    x, _ = _numbers()
    data = {"x": x, "y": np.arange(len(x))}
    made = regraft.pretrain(
        "ranking",
        data,
        out=tmp_path / "source",
        architecture="mlp?units=4",
        epochs=1,
        settings={"by": "labels"},
        probe=0,
    )
    assert set(made.record.stages[0].history[-1].measures) == {"ordered"}


def test_texts_whose_words_are_there_once_have_no_vocabulary(tmp_path: Path) -> None:
    lines = tmp_path / "t.txt"
    lines.write_text("".join(f"a{n}x b{n}x c{n}x\n" for n in range(40)))
    for method in ("corrupted", "masked"):
        with pytest.raises(RequestError, match="expected texts with words of the vocabulary, found none in 36: a word"):
            regraft.pretrain(method, lines, out=tmp_path / method)


def test_a_setting_that_is_misspelt_or_out_of_range_is_named(tmp_path: Path) -> None:
    x, _ = _numbers()
    with pytest.raises(RequestError, match=r"strenght.*strength"):
        regraft.pretrain("corrupted", x, out=tmp_path / "one", settings={"strenght": 0.3})
    with pytest.raises(RequestError, match="'strength': expected a share above 0 and up to 1, found 3"):
        regraft.pretrain("corrupted", x, out=tmp_path / "two", settings={"strength": 3})


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("method", "settings", "learns"), [("pairs", {}, True), ("ranking", {"by": "labels"}, True), ("ranking", {}, False)]
)
def test_a_comparison_says_how_many_labels_pretraining_had(
    tmp_path: Path, method: str, settings: dict, learns: bool
) -> None:
    x, kind = _numbers()
    made = regraft.pretrain(
        method, {"x": x, "y": kind}, out=tmp_path / "source", architecture="mlp?units=4", epochs=1, probe=16,
        settings={**settings, "batch_size": 32}, compare="yes",
    )  # fmt: skip
    record = made.record
    assert record.labels == (record.examples if learns else 0)
    assert record.helped is not None
    told = (
        f"This is no comparison at equal labels: pretraining itself learnt from those of {record.examples} examples, "
        "the network from scratch from these 16 alone."
    )
    card = (tmp_path / "source" / "README.md").read_text()
    for where in (record.helped.sentence, card, (tmp_path / "source" / "report.html").read_text()):
        assert (told in where) == learns
    assert f"{record.examples} examples {'with their' if learns else 'without'} labels" in card
    assert "turned, moved and scaled" not in card


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(("views", "said"), [(1.0, True), (0.0, False)])
def test_a_comparison_says_what_pretraining_saw_that_the_network_from_scratch_did_not(
    tmp_path: Path, views: float, said: bool
) -> None:
    x, y = np.random.default_rng(0).random((90, 8, 8, 1)).astype(np.float32), np.arange(90) % 3
    made = regraft.pretrain(
        "pairs", {"x": x, "y": y}, out=tmp_path / "source", architecture="mlp?units=4", epochs=1, probe=16,
        settings={"views": views, "batch_size": 32}, compare="yes",
    )  # fmt: skip
    assert made.record.helped is not None
    told = "Pretraining saw pictures turned, moved and scaled, the network from scratch as they are"
    assert (told in made.record.helped.sentence) == said

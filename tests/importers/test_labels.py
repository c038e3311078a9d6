"""Names of classes from the file of labels that lies beside a network."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from regraft import importers
from regraft.importers import labels


def _model(classes: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(classes)])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("rose\ntulip\n\ndaisy\n", ("rose", "tulip", "daisy")),
        ("0:rose\n1:tulip, red\n2:daisy", ("rose", "tulip, red", "daisy")),
        ("0 rose\n1 tulip red\n2 daisy", ("rose", "tulip red", "daisy")),
        ("7 up\n8 up\n9 up", ("7 up", "8 up", "9 up")),
        ("rose\nrose\ndaisy", None),
        ("0: crane\n1: crane\n2: daisy", ("crane", "crane", "daisy")),
        ("rose\ntulip", None),
    ],
)
def test_a_line_for_every_output(tmp_path: Path, text: str, names: tuple[str, ...] | None) -> None:
    (tmp_path / "my_Labels.txt").write_text(text)
    found = labels.beside(tmp_path / "m.keras", _model())
    assert found == (None if names is None else (names, "my_Labels.txt"))


def test_where_two_could_be_meant_there_is_none(tmp_path: Path) -> None:
    for name in ("labels.txt", "classes.txt"):
        (tmp_path / name).write_text("a\nb\nc")
    assert labels.beside(tmp_path / "m.keras", _model()) is None
    (tmp_path / "classes.txt").write_text("a\nb")
    assert labels.beside(tmp_path / "m.keras", _model()) == (("a", "b", "c"), "labels.txt")


def test_what_is_no_text_or_no_classifier_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_bytes(b"\xff\xfe\n\xff\n\xfe")
    assert labels.beside(tmp_path / "m.keras", _model()) is None
    (tmp_path / "labels.txt").write_text("a\nb\nc")
    maps = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 3)])
    assert labels.beside(tmp_path / "m.keras", maps) is None


def test_a_saved_network_and_its_report(tmp_path: Path) -> None:
    _model().save(tmp_path / "m.keras")
    (tmp_path / "labels.txt").write_text("a\nb\nc")
    opened = importers.open(tmp_path / "m.keras", preprocessing="raw")
    assert opened.classes == ("a", "b", "c")
    assert "classes are called as in 'labels.txt' beside it" in opened.report.notes


@pytest.mark.shared
def test_mobilenet_of_2017_names_what_it_sees(shared_folder: Path) -> None:
    nets = shared_folder / "nets"
    opened = importers.open(
        nets / "tf1_frozen_mobilenet_v1_0.25_224/models/mobilenet_v1_0.25_224/frozen_graph.pb", preprocessing="tf"
    )
    assert opened.classes is not None
    assert (len(opened.classes), opened.classes[:2]) == (1001, ("background", "tench, Tinca tinca"))
    with Image.open(shared_folder / "nets/tf1_ckpt_lenet_gtsrb/images/14_stop.jpeg") as picture:
        square = picture.convert("RGB").resize((224, 224))
    given = importers.applied(opened.inputs, np.asarray(square, np.float32)[None])
    scores = np.asarray(keras.ops.convert_to_numpy(opened.model(given)))[0]
    best = {opened.classes[place] for place in np.argsort(scores)[-3:]}
    assert "street sign" in best

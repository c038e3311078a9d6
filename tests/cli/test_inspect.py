import json

import pytest

KEYS = {"format", "tensors", "layers", "cut_points", "optimizer", "warnings"}


def test_the_document_of_a_file(place, say):
    said = say("inspect", place / "network.keras", "--json")
    assert said.status == 0
    assert set(said.document) >= KEYS
    assert set(said.document["tensors"][0]) == {"name", "shape", "dtype"}
    assert [point["name"] for point in said.document["cut_points"]][:2] == ["rescaling", "conv1"]


def test_a_network_of_keras_is_described_as_a_file_of_it_is(say, tmp_path):
    import keras

    source = "keras:MobileNetV2?alpha=0.35&weights=none&input_shape=64,64,3"
    said = say("inspect", source, "--json", "--html", tmp_path / "page.html")
    assert said.status == 0
    model = keras.applications.MobileNetV2(alpha=0.35, weights=None, input_shape=(64, 64, 3), include_top=False)
    model.save(tmp_path / "m.keras")
    file = say("inspect", tmp_path / "m.keras", "--json").document
    for key in ("parameters", "cut_points", "optimizer"):
        assert said.document[key] == file[key]
    assert len(said.document["tensors"]) == len(file["tensors"])
    assert "<svg" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_table(place, say):
    said = say("inspect", place / "network.keras")
    assert said.status == 0
    assert "network.keras: keras, 444 parameters, 6 tensors, 6 layers" in said.out
    (row,) = [line.split() for line in said.out.splitlines() if line.strip().startswith("conv2 ")]
    assert row == ["conv2", "Conv2D", "3", "x", "3", "x", "8", "296", "2"]


def test_the_page(place, say, tmp_path):
    said = say("inspect", place / "network.keras", "--html", tmp_path / "page.html", "--json")
    assert json.loads(said.out)["format"] == "keras"
    assert "conv2" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_the_graph_for_tensorboard(place, say, tmp_path):
    said = say("inspect", place / "network.keras", "--tensorboard", tmp_path / "logs")
    assert said.status == 0
    (written,) = (tmp_path / "logs").iterdir()
    assert "tfevents" in written.name
    assert b"conv2" in written.read_bytes()


@pytest.mark.shared
def test_collections_and_signatures_by_name(say, shared_folder):
    said = say("inspect", shared_folder / "nets/tf1_ckpt_lenet_gtsrb/model/model.ckpt.meta")
    (line,) = [line for line in said.out.splitlines() if line.strip().startswith("trainable_variables ")]
    assert line.split()[1:4] == ["wc1:0,", "bc1:0,", "wc2:0,"]
    assert "bOut/Adam_1" not in said.out.partition("train_op")[2]
    assert "(32 in all)" in said.out
    bundle = shared_folder / "nets/tf_serving_half_plus_two/servables/tensorflow/testdata"
    said = say("inspect", bundle / "saved_model_half_plus_two_cpu/00000123")
    assert any(line.split() == ["serving_default", "x:0", "->", "y:0"] for line in said.out.splitlines())


def test_bad_input(place, say, tmp_path):
    for source, expected in (
        (tmp_path / "absent.keras", "no file or folder"),
        ("keras:MobileNetV9", "keras.applications has no network 'MobileNetV9'"),
        ("keras:MobileNetV2?alfa=1", "alfa"),
    ):
        said = say("inspect", source)
        assert said.status == 2
        assert expected in said.refusal
    said = say("inspect", place / "network.keras", "--html", place / "network.keras" / "page.html")
    assert said.status == 1
    assert "cannot write" in said.refusal

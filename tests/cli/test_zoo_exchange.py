"""`regraft zoo export`, `import`, `page`, and what others have published, from the command line."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.cli.zoo import public
from regraft.zoo.public import ZOOS


@pytest.fixture(scope="module")
def zoo(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalogue with the network and the run that was made of it."""
    from regraft.cli import main

    folder = tmp_path_factory.mktemp("filled")
    assert main(["zoo", "add", str(place / "network.keras"), "--zoo", str(folder), "--tag", "tiny"]) == 0
    words = ["zoo", "add", str(place / "run"), "--name", "colours", "--zoo", str(folder), "--licence", "MIT"]
    assert main(words) == 0
    return folder


def test_a_run_goes_to_another_catalogue_and_is_the_same_there(zoo, place, say, tmp_path):
    out, other = tmp_path / "for the hub", tmp_path / "other"
    told = say("zoo", "export", "colours", out, "--zoo", zoo)
    assert told.status == 0, told.err
    assert told.out.startswith(f"colours@1 is in {out}: ")
    assert "README.md, model.safetensors, config.json, regraft.json" in told.out
    readme = (out / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("---\nlibrary_name: keras\nlicense: mit\npipeline_tag: image-classification\n")
    taken = say("zoo", "import", out, "--zoo", other, "--json").document
    assert (taken["name"], taken["version"], taken["is_new"], taken["by_card"]) == ("colours", 1, True, True)
    mine = say("zoo", "show", "colours", "--zoo", zoo, "--json").document["card"]
    theirs = say("zoo", "show", "colours", "--zoo", other, "--json").document["card"]
    assert mine["lineage"].pop("parent") == "network@1"
    assert theirs["lineage"].pop("parent") == ""
    assert mine == theirs
    again = " ".join(say("zoo", "import", out, "--zoo", other).out.split())
    assert "colours@1 was there already in" in again
    assert "'network@1' of the catalogue that it comes from, is not in this one" in again
    # The folder is a source as it is.
    pictures = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 3)).astype(np.float32)
    from_folder, from_run = regraft.open(out), regraft.open(place / "run" / "model.keras")
    assert np.array_equal(from_folder.model.predict(pictures, verbose=0), from_run.model.predict(pictures, verbose=0))


def test_neither_the_readme_of_others_nor_the_catalogue_is_exported_into(zoo, say, tmp_path):
    (tmp_path / "README.md").write_text("# mine")
    said = say("zoo", "export", "colours", tmp_path, "--zoo", zoo)
    assert said.status == 2
    assert f"found 'README.md' in '{tmp_path}'; name another" in said.refusal
    assert (tmp_path / "README.md").read_text() == "# mine"
    before = sorted(zoo.rglob("*"))
    link = tmp_path / "link"
    link.symlink_to(zoo)
    for folder in (zoo, zoo / "cards" / "new", link / "new"):
        said = say("zoo", "export", "colours", folder, "--zoo", zoo)
        assert said.status == 2
        assert f"expected a folder outside of the catalogue to export into, found '{folder}'" in said.refusal
    assert sorted(zoo.rglob("*")) == before


def test_a_name_is_taken_as_every_output_prints_it(zoo, say, tmp_path):
    assert say("zoo", "show", "zoo:colours@1", "--zoo", zoo, "--json").document["card"]["name"] == "colours"
    assert say("zoo", "export", "zoo:colours", tmp_path / "out", "--zoo", zoo).status == 0
    copy = shutil.copytree(zoo, tmp_path / "copy")
    assert say("zoo", "remove", "zoo:colours", "--zoo", copy).out.startswith("colours@1 removed")


def test_an_exported_folder_is_inspected_as_the_model_is(zoo, say, tmp_path):
    say("zoo", "export", "network", tmp_path / "out", "--zoo", zoo)
    folder = say("inspect", tmp_path / "out", "--json").document
    model = say("inspect", "zoo:network", "--zoo", zoo, "--json").document
    for what in ("tensors", "layers", "cut_points"):
        assert folder[what] == model[what], what
    assert len(folder["cut_points"]) == 5


def test_fit_takes_an_exported_folder(zoo, place, say, tmp_path):
    say("zoo", "export", "network", tmp_path / "out", "--zoo", zoo)
    said = say(
        "fit", place / "pictures", "--source", tmp_path / "out", "--out", tmp_path / "run", "--fine-tune", "no",
        "--no-baselines", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert said.document["certificate"]["frozen_unchanged"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("export", "colour", "x"), "nearest known names: colours"),
        (("export", "colours"), "expected a folder to write 'colours@1' into, found none; name one"),
        (
            ("import", "nowhere"),
            "expected the folder of a model, hf://USER/NAME, or models:/NAME/VERSION, found 'nowhere'",
        ),
        (("page", "--out", "."), "expected a file for the page, found the folder '.'"),
        (("list", "--zoo", "keras", "--kind", "run"), "expected --kind only for your own catalogue"),
    ],
)
def test_wrong_words_are_answered_in_a_line(zoo, say, tmp_path, monkeypatch, words, said):
    monkeypatch.setenv("REGRAFT_ZOO", str(zoo))
    monkeypatch.chdir(tmp_path)
    refused = say("zoo", *words)
    assert refused.status == 2
    assert said in refused.refusal


def test_a_page_shows_the_family(zoo, say, tmp_path):
    told = say("zoo", "page", "--zoo", zoo, "--out", tmp_path / "zoo.html", "--json").document
    assert told["page"] == str(tmp_path / "zoo.html")
    assert [each["name"] for each in told["shows"]["exhibits"]] == ["colours", "network"]
    page = (tmp_path / "zoo.html").read_text(encoding="utf-8")
    assert re.findall(r'<tr id="(m-[^"]*)"', page) == ["m-colours-1", "m-network-1"]
    assert "1\N{NO-BREAK SPACE}model made of network@1." in page


def test_a_page_beside_data_says_how_near_each_model_is(zoo, place, say, tmp_path, monkeypatch):
    monkeypatch.setenv("REGRAFT_CACHE", str(tmp_path / "cache"))
    told = say("zoo", "page", "--zoo", zoo, "--data", place / "pictures", "--out", tmp_path / "near.html", "--json")
    assert told.status == 0, told.err
    shown = {each["name"]: each["kinship"] for each in told.document["shows"]["exhibits"]}
    assert shown["colours"]["classes"] == ["blue", "green", "red"]
    assert shown["network"]["classes"] == []
    assert shown["network"]["score"]["value"] > 0.5
    assert shown["network"]["cut_point"]
    by_cards = say(
        "zoo",
        "page",
        "--zoo",
        zoo,
        "--data",
        place / "pictures",
        "--out",
        tmp_path / "cards.html",
        "--no-try",
        "--json",
    ).document["shows"]
    assert by_cards["data"]["tried"] == 0
    assert [each["kinship"]["score"] for each in by_cards["exhibits"]] == [None, None]
    assert by_cards["exhibits"][0]["kinship"]["classes"] == ["blue", "green", "red"]


def test_data_that_no_model_takes_leave_a_page_that_says_so(zoo, say, tmp_path):
    np.savez(tmp_path / "rows.npz", x=np.random.default_rng(0).normal(size=(40, 5)), y=np.arange(40) % 2)
    told = say("zoo", "page", "--zoo", zoo, "--data", tmp_path / "rows.npz", "--out", tmp_path / "zoo.html", "--json")
    assert told.status == 0, told.err
    shown = told.document["shows"]
    assert all(each["kinship"]["score"] is None for each in shown["exhibits"])
    assert shown["warnings"] or all(each["kinship"]["note"] for each in shown["exhibits"])


def test_a_card_that_cannot_be_read_is_a_warning_on_the_page(zoo, say, tmp_path):
    import shutil

    other = shutil.copytree(zoo, tmp_path / "zoo")
    (card,) = (other / "cards" / "network").glob("1.json")
    card.write_text("{")
    shown = say("zoo", "page", "--zoo", other, "--out", tmp_path / "zoo.html", "--json").document["shows"]
    assert [each["name"] for each in shown["exhibits"]] == ["colours"]
    assert any("network@1" in warning for warning in shown["warnings"])


def test_published_networks_are_listed_searched_and_told_from_a_catalogue(say, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5").touch()
    told = say("zoo", "list", "--zoo", "keras").out
    assert told.startswith(f"keras.applications: 80 networks, 1 of them here, in {tmp_path / 'models'}\n")
    assert re.search(r"^ *VGG16 +224 +14\.7 M +71\.3% +90\.1% +CC-BY-4\.0 +here$", told, re.M)
    assert "one that is here:  regraft fit DATA --source 'keras:VGG16'" in told
    small = say(
        "zoo", "list", "--zoo", "keras", "--most-parameters", "5M", "--least-accuracy", "0.75", "--json"
    ).document["networks"]
    assert [network["name"] for network in small] == ["EfficientNetB0", "MobileNetV3Large", "MobileNetV2?alpha=1.4"]
    found = say("zoo", "search", "resnet50", "a1", "--zoo", "timm", "--limit", "1", "--json").document["networks"]
    assert [network["name"] for network in found] == ["resnet50.a1_in1k"]
    assert found[0]["get"] == "hf download timm/resnet50.a1_in1k config.json model.safetensors"
    assert "English texts" in say("zoo", "search", "bert_base_en", "--zoo", "keras-hub").out
    # A folder of that name is a catalogue.
    (tmp_path / "keras").mkdir()
    assert say("zoo", "list", "--zoo", tmp_path / "keras").out.startswith("0 models in")


def test_the_names_of_public_zoos_are_known_without_looking():
    assert set(public.ZOOS) == set(ZOOS)

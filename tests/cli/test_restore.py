import keras
import numpy as np
import pytest

KEYS = {"target", "source", "out", "rules", "complete", "restored_parameters", "parameters", "load"}


@pytest.fixture
def files(tmp_path):
    def model(*order):
        return keras.Sequential([keras.Input((4,)), *(keras.layers.Dense(4, name=name) for name in order)])

    model("old_1", "old_2", "top").save(tmp_path / "source.keras")
    model("new_1", "new_2", "head").save(tmp_path / "target.keras")
    (tmp_path / "rules.txt").write_text("old_(\\d)/(.*) -> new_\\1/\\2\nskip top/.*\nkeep head/.*\n")
    return tmp_path


def test_the_document(files, say):
    said = say(
        "restore", files / "target.keras", "--from", files / "source.keras", "--map", files / "rules.txt",
        "--out", files / "out.keras", "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert set(said.document) == KEYS
    assert said.document["complete"] is True
    assert said.document["restored_parameters"] == 40
    assert said.document["load"]["renamed"][0] == ["old_1/kernel", "new_1/kernel"]
    assert said.document["load"]["kept"] == ["head/kernel", "head/bias"]
    assert said.document["rules"] == (files / "rules.txt").read_text()
    source, out = (keras.saving.load_model(files / name) for name in ("source.keras", "out.keras"))
    np.testing.assert_array_equal(out.get_layer("new_2").kernel, source.get_layer("old_2").kernel)


def test_the_words(files, say):
    said = say(
        "restore", files / "target.keras", "--from", files / "source.keras", "--partial",
        "--rule", r"old_(\d)/(.*) -> new_\1/\2",
    )  # fmt: skip
    assert said.status == 0, said.err
    assert "nothing was written: say --out FILE" in said.out
    assert "40 of 60 parameters" in said.out
    rows = [line.split() for line in said.out.splitlines()]
    assert ["unused", "top/kernel"] in rows
    assert ["still", "random", "head/kernel"] in rows
    assert ["renamed", "old_1/kernel", "new_1/kernel"] in rows


def test_a_proposal_can_be_given_back(files, say):
    words = ("restore", files / "target.keras", "--from", files / "source.keras")
    proposed = say(*words, "--propose")
    assert proposed.status == 0, proposed.err
    assert "# no" not in proposed.out
    (files / "found.txt").write_text(proposed.out)
    given, found = say(*words, "--map", files / "found.txt", "--json"), say(*words, "--json")
    assert given.status == found.status == 0, given.err + found.err
    assert given.document == found.document
    assert set(say(*words, "--propose", "--json").document) == {"rules", "certain", "open"}


def test_what_has_no_place_ends_with_one(files, say):
    said = say(
        "restore", files / "target.keras", "--from", files / "source.keras", "--rule", r"old_(\d)/(.*) -> new_\1/\2",
        "--out", files / "out.keras",
    )  # fmt: skip
    assert said.status == 1
    assert "unused from the source: top/kernel, top/bias; still random in the model: head/kernel" in said.refusal
    assert r"'skip top/.*', 'keep head/.*'" in said.refusal
    assert not (files / "out.keras").exists()


def test_bad_input(files, say):
    target, source = files / "target.keras", files / "source.keras"
    for words, expected in (
        ((target, "--from", files / "absent.keras"), "no file or folder"),
        ((files / "absent.keras", "--from", source), "no file or folder"),
        ((target, "--from", source, "--map", files / "absent.txt"), "expected a file of rules"),
        ((target, "--from", source, "--rule", "x"), "expected 'PATTERN -> VARIABLE'"),
        ((target, "--from", source, "--rule", "x/.* -> new_1/kernel"), "matches no tensor"),
        ((target, "--from", source, "--propose", "--rule", "a -> b"), "--propose only prints rules"),
        ((target, "--from", source, "--out", files / "out.h5"), "expected a file name that ends in .keras"),
        ((target,), "--from"),
    ):
        said = say("restore", *words)
        assert said.status == 2, words
        assert expected in said.refusal
    source.write_bytes(source.read_bytes()[:300])
    said = say("restore", target, "--from", source)
    assert said.status == 1
    assert "source.keras" in said.refusal

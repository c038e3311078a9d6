"""`regraft rank` as its user meets it."""

import shutil

import keras
import pytest

from regraft.cli.rank_text import _reason
from regraft.core.ranking import Refused
from tests.recipes.ranking.sources import write, write_examples


@pytest.fixture(scope="module")
def nets(tmp_path_factory):
    return write(tmp_path_factory.mktemp("nets"))


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    return write_examples(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def nothing_else_here(tmp_path, monkeypatch):
    """Neither a catalogue nor downloads of Keras."""
    monkeypatch.setenv("REGRAFT_ZOO", str(tmp_path / "zoo"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))


def test_a_ranking_is_shown_best_first_with_what_was_refused_and_what_to_do(nets, examples, cache, say):
    said = say("rank", examples, "--sources", nets, "--cache", cache)
    assert said.status == 0
    places = [said.out.index(name) for name in ("labelled.keras", "nothing.keras", "constant.keras")]
    assert places == sorted(places)
    shown = " ".join(said.out.split())
    assert "not ranked" in shown
    assert "1 source cut.keras: is cut off" in shown
    assert f"next regraft fit DATA --source {nets / 'labelled.keras'}" in shown
    assert "3 sources to rank" in said.err
    assert "assumed" not in said.err
    assert max(map(len, said.out.splitlines()[:6])) <= 100


def test_json_has_what_the_design_promises(nets, examples, cache, say):
    found = say("rank", examples, "--sources", nets, "--cache", cache, "--json").document
    assert {"ranking", "refused", "verdict", "seconds"} <= set(found)
    for item in found["ranking"]:
        assert {"source", "score", "scores", "seconds", "interval", "inputs", "cut_point"} <= set(item)
    assert found["ranking"][0]["source"].endswith("labelled.keras")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], "expected sources to choose from"),
        (["--sources"], "expected at least one argument"),
        (["--sources", "{nets}", "--time-budget", "soon"], "expected a time such as 90s, 10m or 1h, found 'soon'"),
        (["--sources", "{nets}", "--confirm", "-1"], "expected to confirm 0 sources or more, found -1"),
        (["--source", "{nets}"], "unknown option '--source'; nearest known names: --sources"),
        (["--sources", "keras:MobileNetV9"], "the only source cannot be used for these examples: 'keras:MobileNetV9'"),
    ],
)
def test_a_wrong_word_is_refused_in_one_line(words, expected, nets, examples, say):
    said = say("rank", examples, *(word.format(nets=nets) for word in words))
    assert said.status == 2
    assert expected in said.err.splitlines()[-1]
    assert said.out == ""


def test_a_picture_that_cannot_be_decoded_is_told_once_and_refused_where_asked(place, cache, tmp_path, say):
    pictures = shutil.copytree(place / "pictures", tmp_path / "pictures")
    whole = (pictures / "red" / "00.png").read_bytes()
    # Enough to know the size of it, and in number that one is looked at.
    for number in range(4):
        (pictures / "red" / f"cut{number}.png").write_bytes(whole[: len(whole) - 40 - number])
    nets = tmp_path / "nets"
    nets.mkdir()
    for name in ("one.keras", "two.keras"):
        shutil.copy(place / "network.keras", nets / name)
    words = ("rank", pictures, "--sources", nets, "--cache", cache)
    said = say(*words, "--json", "--page", tmp_path / "rank.html")
    found = said.document
    (warned,) = [line for line in found["warnings"] if "cannot be read" in line]
    assert said.err.count(warned) == 1
    left_out = found["data"]["left_out"]
    assert warned.startswith(f"left out {len(left_out)} example(s) that cannot be read, first: 'red/cut")
    assert left_out
    looked_at = found["ranking"][0]["examples"]
    assert found["rounds"] == [looked_at]
    assert f"right about {found['ranking'][0]['scores']['probe']:.1%} of {looked_at} examples" in found["verdict"]
    assert f"<dt>Examples looked at</dt><dd>{looked_at}</dd>" in (tmp_path / "rank.html").read_text()
    strict = say(*words, "--strict")
    fitted = say("fit", pictures, "--source", nets / "one.keras", "--strict", "--cache", cache, "--out", tmp_path / "r")
    assert strict.status == fitted.status == 2
    assert strict.err.splitlines()[-1] == fitted.err.splitlines()[-1]
    assert "cannot be decoded" in strict.err.splitlines()[-1]


def test_the_same_network_in_other_files_is_ranked_once_and_said(nets, examples, cache, tmp_path, say):
    model = keras.saving.load_model(nets / "labelled.keras")
    for name in ("b", "a", "c"):
        model.save(tmp_path / f"{name}.keras")
    regrown = keras.models.clone_model(model)
    regrown.save(tmp_path / "other.keras")
    said = say("rank", examples, "--sources", tmp_path, "--cache", cache, "--json")
    assert {item["source"] for item in said.document["ranking"]} == {
        str(tmp_path / "a.keras"),
        str(tmp_path / "other.keras"),
    }
    assert [(item["source"], item["reason"]) for item in said.document["refused"]] == [
        (str(tmp_path / f"{name}.keras"), f"it is the same network as '{tmp_path / 'a.keras'}', which is ranked")
        for name in ("b", "c")
    ]


def test_one_source_is_counted_as_one(nets, examples, cache, say):
    said = say("rank", examples, "--sources", nets / "labelled.keras", "--cache", cache)
    assert "1 source to rank" in said.err


def test_examples_that_are_not_there_are_refused_before_anything_is_opened(nets, tmp_path, say):
    said = say("rank", tmp_path / "nowhere", "--sources", nets)
    assert said.status == 2
    assert "nowhere" in said.refusal


def test_a_reason_does_not_say_the_source_again():
    assert (
        _reason(Refused("a/b.h5", "'a/b.h5' holds weights but no architecture")) == "holds weights but no architecture"
    )
    assert _reason(Refused("b", "found (7,) in 'b'; choose another")) == "found (7,); choose another"
    assert _reason(Refused("b", "'b': layer 'c' is lost")) == "layer 'c' is lost"
    assert (
        _reason(Refused("b", "expected texts, which 'b' takes, found rows"))
        == "expected texts, which it takes, found rows"
    )
    assert (
        _reason(Refused("b", "they become 8 values, and 'b' takes (4,)")) == "they become 8 values, and it takes (4,)"
    )

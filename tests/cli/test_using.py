"""What is done with a finished run: evaluate, predict, export, resume."""

import shutil

import pytest


def test_evaluate(place, say):
    said = say("evaluate", place / "run", place / "pictures", "--json")
    assert said.status == 0
    assert said.document["metrics"]["examples"] == 42
    low, high = said.document["metrics"]["accuracy"]["interval"]
    assert low <= said.document["metrics"]["accuracy"]["value"] <= high
    told = say("evaluate", place / "run", place / "pictures", "--split", "test")
    assert "of the test split of" in told.out
    assert "balanced accuracy" in told.out


def test_predict(place, say):
    said = say("predict", place / "run", place / "pictures" / "red", "--json")
    assert said.status == 0
    answers = said.document["predictions"]
    assert len(answers) == 14
    assert set(answers[0]) == {"name", "label", "confidence", "probabilities"}
    told = say("predict", place / "run", place / "pictures" / "red" / "00.png")
    name, label, confidence = told.out.split()
    assert name.endswith("00.png")
    assert (label, confidence) == (answers[0]["label"], f"{100 * answers[0]['confidence']:.1f}%")


def test_predict_leaves_out_what_is_no_picture(place, say, tmp_path):
    (tmp_path / "fake.jpg").write_text("no picture")
    files = (place / "pictures" / "red" / "00.png", tmp_path / "fake.jpg")
    said = say("predict", place / "run", *files, "--json")
    assert said.status == 0
    assert len(said.document["predictions"]) == 1
    assert "fake.jpg" in said.err
    strict = say("predict", place / "run", *files, "--strict")
    assert strict.status == 2
    assert "fake.jpg" in strict.refusal


def test_export(place, say, tmp_path):
    said = say("export", place / "run", "keras", "--out", tmp_path / "model.keras", "--json")
    assert said.status == 0
    size = (tmp_path / "model.keras").stat().st_size
    assert said.document == {
        "run": str(place / "run"),
        "format": "keras",
        "path": str(tmp_path / "model.keras"),
        "bytes": size,
    }
    wrong = say("export", place / "run", "onyx")
    assert wrong.status == 2
    assert "onnx" in wrong.refusal


def test_export_of_numbers_needs_no_model(place, say, tmp_path):
    shutil.copytree(place / "run", tmp_path / "run", ignore=shutil.ignore_patterns("model.keras"))
    said = say("export", tmp_path / "run", "TensorBoard", "--out", tmp_path / "logs", "--json")
    assert said.status == 0
    assert said.document["format"] == "tensorboard"
    assert said.document["path"] == str(tmp_path / "logs")
    assert said.document["bytes"] == sum(file.stat().st_size for file in (tmp_path / "logs").iterdir()) > 10_000
    assert f"tensorboard --logdir {tmp_path / 'logs'}" in said.err
    assert say("export", tmp_path / "run", "tensorbord").refusal.endswith("nearest known names: tensorboard")


def test_resume_of_a_finished_run_shows_it(place, say):
    said = say("resume", place / "run", "--json")
    assert said.status == 0
    assert said.document["run"] == str(place / "run")


@pytest.mark.parametrize("words", [["evaluate", "x"], ["predict", "x"], ["export", "keras"], ["resume"]], ids=" ".join)
def test_what_is_no_run_is_refused_with_the_nearest_name(words, place, say):
    command, *more = words
    said = say(command, place / "runn", *more)
    assert said.status == 2
    assert "expected a run folder" in said.refusal
    assert "run" in said.refusal.partition("names: ")[2]


def test_resume_names_what_it_finishes_beside_a_wrong_name(say, tmp_path):
    held = {"done": "run.json", "source": "pretraining.json", "begun": ".asked.toml", "part": "asked.toml"}
    for name, file in held.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / file).write_text("{}")
    (tmp_path / "done" / "plan.toml").write_text("")
    (tmp_path / "photos").mkdir()
    assert say("resume", tmp_path / "xyz").refusal.endswith(
        f"expected a run folder or that of a pretraining, found none at '{tmp_path / 'xyz'}'; "
        "known names: begun, part, done, source"
    )
    assert say("resume", tmp_path / "sources").refusal.endswith("nearest known names: source")


def test_a_damaged_model_is_refused(place, say, tmp_path):
    shutil.copytree(place / "run", tmp_path / "run")
    model = tmp_path / "run" / "model.keras"
    model.write_bytes(model.read_bytes()[:1000])
    said = say("predict", tmp_path / "run", place / "pictures" / "red" / "00.png")
    assert said.status == 1
    assert "truncated or was altered" in said.refusal

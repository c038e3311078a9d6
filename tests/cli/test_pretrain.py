"""`regraft pretrain`: its words, its answers, its refusals."""

import dataclasses
import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

import regraft
from regraft.cli import main, pretrain
from regraft.core.pretraining import PretrainingEpoch, Stage
from regraft.recipes.pretraining import folder as folders


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    np.savez(tmp_path / "numbers.npz", x=random.normal(size=(80, 3)) @ random.normal(size=(3, 10)))
    return tmp_path / "numbers.npz"


def test_it_makes_a_source_and_says_how_to_use_it(
    numbers: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "source"
    words = [
        "pretrain",
        "autoencoder",
        str(numbers),
        "--out",
        str(out),
        "--architecture",
        "mlp?units=6",
        "--epochs",
        "2",
    ]
    assert main([*words, "--set", "batch_size=16", "--set", "tied=yes"]) == 0
    said = capsys.readouterr().out
    assert f"regraft fit DATA --source {out}" in said
    assert "72 examples without labels, 8 more held out" in said
    assert main(["inspect", str(out)]) == 0
    assert "hidden1" in capsys.readouterr().out
    assert main(["resume", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["asked"]["settings"]["tied"], record["asked"]["spec"]["batch_size"]) == (True, 16)
    assert main(words) == 2
    assert "holds a finished pretraining" in capsys.readouterr().err


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    y = np.arange(160) % 4
    np.savez(tmp_path / "labelled.npz", x=random.normal(size=(160, 6)) + 2 * random.normal(size=(4, 6))[y], y=y)
    return tmp_path / "labelled.npz"


def test_examples_left_for_tests_and_the_probe_of_the_epoch_that_is_kept_are_told(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["pretrain", "stacked-autoencoder", str(labelled), "--out", str(tmp_path / "source"), "--probe", "40"]
    words += ["--architecture", "mlp?units=6,3", "--epochs", "3", "--set", "batch_size=16", "--compare", "no"]
    assert main(words) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert main(["resume", str(tmp_path / "source"), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert f"{record['held_out']} more held out, {record['unused']} left for tests" in said
    for stage in record["stages"]:
        probes = [row["probe"] for row in stage["history"]]
        kept, last = probes[stage["best"]], probes[-1]
        after = "" if kept == last else f" ({100 * last:.1f}% after the last)"
        assert f"probe {100 * probes[0]:.1f}% to {100 * kept:.1f}%{after}" in said


def test_the_probe_that_is_told_is_not_that_of_the_last_epoch() -> None:
    rows = [PretrainingEpoch(epoch, 1.0, 1.0, probe=probe) for epoch, probe in enumerate((0.5, 0.9, 0.6))]
    said = pretrain._came_to(Stage("all layers", tuple(rows), 1))
    assert said == "held-out loss 1 to 1, epoch 1 of 2; probe 50.0% to 90.0% (60.0% after the last)"


def test_a_loss_that_was_never_as_low_as_before_learning_is_told_of() -> None:
    rows = [PretrainingEpoch(epoch, 1.0, held_out) for epoch, held_out in enumerate((0.4, 0.6, 0.5))]
    said = pretrain._came_to(Stage("all layers", tuple(rows), 2))
    lower = "never as low as before learning: try more epochs, or a lower rate"
    assert said == f"held-out loss 0.4 to 0.5, epoch 2 of 2, {lower}"
    assert "never" not in pretrain._came_to(Stage("all layers", tuple(rows[1:]), 1))


def test_examples_without_a_label_are_not_said_to_be_left_for_tests_alone(
    labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(labelled) as data:
        x, y = data["x"], data["y"].astype(str)
    y[:12] = ""
    rows = (",".join([*map(str, row), label]) for row, label in zip(x.tolist(), y.tolist(), strict=True))
    (tmp_path / "some.csv").write_text("\n".join(["a,b,c,d,e,f,label", *rows]))
    words = ["pretrain", "pairs", str(tmp_path / "some.csv"), "--out", str(tmp_path / "source"), "--probe", "0"]
    assert main([*words, "--epochs", "1", "--architecture", "mlp?units=3"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "examples with their labels" in said
    assert re.search(r"\d+ left for tests, 12 without a label", said)


@pytest.mark.parametrize(
    ("probe", "told"),
    [
        ("5", "found --probe 5; say --probe 8 or more"),
        ("500", r"found \d to learn from in '.*few.csv'; bring more with --labels"),
    ],
)
def test_too_few_labels_for_a_probe_are_told_of(
    probe: str, told: str, labelled: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(labelled) as data:
        x, y = data["x"], data["y"].astype(str)
    y[6:] = ""
    data = labelled
    if probe == "500":
        data = tmp_path / "few.csv"
        rows = (",".join([*(f"{value:.3f}" for value in row), label]) for row, label in zip(x, y, strict=True))
        data.write_text("\n".join(["a,b,c,d,e,f,label", *rows]) + "\n")
    words = ["pretrain", "autoencoder", str(data), "--out", str(tmp_path / "source"), "--probe", probe]
    assert main([*words, "--architecture", "mlp?units=3", "--epochs", "1"]) == 0
    (line,) = (line for line in capsys.readouterr().err.splitlines() if "probe" in line)
    assert re.fullmatch(rf"warning: no probe and no comparison: they need 2 labels of each of 4 classes, {told}", line)
    assert line.removeprefix("warning: ") in html.unescape((tmp_path / "source" / "report.html").read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["autoencodr", "DATA"],
            "expected a method of pretraining, found 'autoencodr'; nearest known names: autoencoder",
        ),
        (["autoencoder", "nothing.npz"], "no data at 'nothing.npz'"),
        (["autoencoder", "DATA", "--set", "epochs"], "expected --set NAME=VALUE, found 'epochs'"),
        (["autoencoder", "DATA", "--set", "nois=1"], "'autoencoder' has no setting 'nois'"),
        (["autoencoder", "DATA", "--arch", "mlp"], "unknown option '--arch'"),
        (["autoencoder", "DATA", "--set", "tied=no", "--set", "tied=yes"], "'tied' is set twice, to no and to yes"),
        (["autoencoder", "DATA", "--set", "epochs=3", "--epochs", "1"], "epochs are said twice, 1 and --set epochs=3"),
        (["masked", "DATA", "--tokens", "words"], "--tokens makes no difference to 'masked' on the numbers in"),
        (["masked", "DATA", "--set", "patch=2"], "--set patch makes no difference to 'masked' on the numbers in"),
        (["masked", "DATA", "--compare", "yes", "--probe", "0"], "found --probe 0; leave one of them out"),
        (["masked", "DATA", "--probe", "-5"], "expected 'probe' as 0 or more, found -5"),
        (["masked", "DATA", "--strict", "--lenient"], "argument --lenient: not allowed with argument --strict"),
        (
            ["autoencoder", "DATA", "--set", "held_out=0.99"],
            "numbers.npz', found 1 of 80, as a part of 0.99 is held out; bring more, or hold out less with --set held",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(
    words: list[str],
    message: str,
    numbers: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The default folder is below the present one.
    monkeypatch.chdir(numbers.parent)
    assert main(["pretrain", *(str(numbers) if word == "DATA" else word for word in words)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_what_is_of_no_use_is_an_error_unless_one_is_lenient(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = (f"{value:.3f},7" for value in np.random.default_rng(0).normal(size=40))
    (tmp_path / "rows.csv").write_text("\n".join(["x,same", *rows]))
    words = ["pretrain", "autoencoder", "rows.csv", "--architecture", "mlp?units=2", "--epochs", "1", "--out", "source"]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        "regraft: of no use in 'rows.csv': column 'same' is '7' in every training example; name the columns to read "
        "with --columns, or leave these out with --lenient; in Python columns= and lenient=True"
    )
    assert not (tmp_path / "source").exists()
    assert main([*words, "--lenient"]) == 0
    assert "warning: left out of 'rows.csv': column 'same'" in capsys.readouterr().err
    # What was begun so goes on so.
    begun = folders.read(tmp_path / "source").asked
    (tmp_path / "source" / folders.RECORD).unlink()
    folders.begin(tmp_path / "source", begun)
    assert main(["resume", "source"]) == 0
    assert folders.read(tmp_path / "source").asked.lenient


def test_what_was_ended_by_hand_says_so(numbers: Path, tmp_path: Path) -> None:
    given = {"architecture": "mlp?units=3", "epochs": 1, "out": tmp_path / "source"}
    record = regraft.pretrain("autoencoder", numbers, **given).record  # pyright: ignore[reportArgumentType]
    assert "by hand" not in pretrain.show(record)
    ended = pretrain.show(dataclasses.replace(record, interrupted=True))
    assert re.search(r"ended +by hand, before its time; the best until then is kept", ended)

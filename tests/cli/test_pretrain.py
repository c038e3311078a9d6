"""`regraft pretrain`: its words, its answers, its refusals."""

import json
from pathlib import Path

import numpy as np
import pytest

from regraft.cli import main


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
    assert "72 examples, 8 more held out" in said
    assert main(["inspect", str(out)]) == 0
    assert "hidden1" in capsys.readouterr().out
    assert main(["resume", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["asked"]["settings"]["tied"], record["asked"]["spec"]["batch_size"]) == (True, 16)
    assert main(words) == 2
    assert "holds a finished pretraining" in capsys.readouterr().err


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

"""Answers on disk: whole or not there, found again, shown and cleared with the cache."""

import numpy as np
import pytest

from regraft import cli
from regraft.recipes.depth import answers
from regraft.recipes.depth.answers import Answers, Kept


@pytest.fixture
def made():
    return Answers((0.5, 1.0), np.random.default_rng(0).random((2, 7, 3)).astype(np.float32), 1.25)


def test_what_is_put_is_found(made, tmp_path):
    kept = Kept(tmp_path / "answers")
    assert kept.get("key") is None
    kept.put("key", made)
    found = Kept(tmp_path / "answers").get("key")
    assert found is not None
    assert (found.averages, found.seconds) == (made.averages, made.seconds)
    assert np.array_equal(found.probabilities, made.probabilities)


@pytest.mark.parametrize("damage", ["cut", "empty", "text", "another"])
def test_a_damaged_file_is_as_none(made, damage, tmp_path):
    kept = Kept(tmp_path)
    kept.put("key", made)
    (path,) = tmp_path.glob("*.npz")
    content = path.read_bytes()
    if damage == "another":
        np.savez(path, averages=np.array([0.5]), probabilities=np.zeros((2, 3)), seconds=1.0)
    else:
        path.write_bytes({"cut": content[: len(content) // 2], "empty": b"", "text": b"not a file"}[damage])
    assert kept.get("key") is None


def test_the_cache_tells_of_them_and_clears_them(made, tmp_path, capsys):
    Kept(answers.folder(tmp_path) / "answers").put("key", made)
    assert cli.main(["cache", "info", "--cache", str(tmp_path)]) == 0
    assert "of what depth searches know" in capsys.readouterr().out
    assert cli.main(["cache", "clear", "--cache", str(tmp_path)]) == 0
    assert not answers.folder(tmp_path).exists()
    assert answers.size(tmp_path) == 0

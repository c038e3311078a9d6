"""The fuzz targets for a few hundred cases each, and that they find what is wrong."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest

from fuzz import __main__ as command
from fuzz import corpus, examining, running
from regraft import formats
from regraft.core.errors import CorruptFileError
from regraft.core.tensors import TensorArchive, TensorEntry

ROOT = Path(__file__).resolve().parents[2]
CASES = 200


@pytest.fixture(scope="module")
def seeds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whole files of every target; real ones where they are here."""
    folder = tmp_path_factory.mktemp("corpus")
    if keras.backend.backend() == "tensorflow":
        # This process has, in most runs, every framework in it already.
        assert command.main(["--make", "--corpus", str(folder)]) == 0
    else:
        _say("--make", "--corpus", folder)
    return folder


def _say(*words: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "KERAS_BACKEND": "tensorflow"}
    line = [sys.executable, "-m", "fuzz", *map(str, words)]
    return subprocess.run(line, cwd=ROOT, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_whole_files_are_read_and_altered_ones_are_read_or_refused(seeds: Path, tmp_path: Path) -> None:
    for name in corpus.TARGETS:
        for seed in corpus.seeds(name, seeds):
            (tmp_path / name).mkdir(exist_ok=True)
            verdict = running.judged(seed, dict(seed.files), tmp_path / name)
            assert verdict.outcome == "read", (name, seed.opened, verdict)
    done = _say("--cases", CASES, "--seed", 7, "--seconds", 30, "--corpus", seeds, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stdout + done.stderr
    rows = re.findall(r"^\| `([\w-]+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| 0 \|", done.stdout, re.MULTILINE)
    assert [row[0] for row in rows] == list(corpus.TARGETS)
    for name, cases, refused, read in rows:
        # Alterations that were all refused, or all harmless, would try nothing.
        assert int(refused) + int(read) == int(cases) > 20, name
        assert min(int(refused), int(read)) >= 1, name


@pytest.fixture
def seed() -> corpus.Seed:
    """A file that every stand-in for a reader takes."""
    return corpus.Seed({"m.npy": b"\x93NUMPY" + bytes(range(256))}, "m.npy")


def test_a_case_is_a_function_of_its_number(seed: corpus.Seed) -> None:
    made = [running.files("npy", [seed], 3, case)[1] for case in range(50)]
    assert made == [running.files("npy", [seed], 3, case)[1] for case in range(50)]
    assert len({item["m.npy"] for item in made}) > 10
    assert made != [running.files("npy", [seed], 4, case)[1] for case in range(50)]


def _loud(path, architecture):
    import warnings

    warnings.warn("listen", UserWarning, stacklevel=1)
    return TensorArchive("npy", {})


def _lying(path, architecture):
    import numpy as np

    return TensorArchive("npy", {"a": TensorEntry("a", (3,), "float32", lambda: np.zeros(2, "float32"))})


def _greedy(path, architecture):
    raise CorruptFileError("no") from MemoryError()


def _hungry(path, architecture):
    import numpy as np

    np.ones(1 << 25).sum()
    return TensorArchive("npy", {})


def _broken(path, architecture):
    raise ZeroDivisionError("oh")


@pytest.mark.parametrize(
    ("reader", "outcome", "said"),
    [
        (_broken, "crash", r"ZeroDivisionError: oh \(test_fuzz.py:\d+\)"),
        (_loud, "warning", "UserWarning: listen"),
        (_lying, "lies", r"'a' is said to have shape \(3,\), and has \(2,\)"),
        (_greedy, "memory", "asked for more than there is"),
        (_hungry, "memory", ""),
    ],
)
def test_every_kind_of_defect_is_found(monkeypatch, tmp_path, seed, reader, outcome: str, said: str) -> None:
    monkeypatch.setattr(formats, "read", reader)
    found = running.judged(seed, dict(seed.files), tmp_path)
    assert found.outcome == outcome
    assert re.match(said, found.said)


def test_a_slow_reader_is_found(monkeypatch, tmp_path, seed) -> None:
    monkeypatch.setattr(examining, "SLOWEST", -1.0)
    assert running.judged(seed, dict(seed.files), tmp_path).outcome == "slow"


_DEADLY = """
import sys
from pathlib import Path
from fuzz import corpus, running
from regraft import formats
def read(path, architecture):
    if path.stat().st_size % 2:
        import os
        {deed}
    raise formats.SourceError("fine")
formats.read = read
running._HARD_SECONDS = 0.2
seed = corpus.Seed({{"m": b"x" * 400}}, "m")
tally = running.tried("npy", [seed], 0, range(12), 60, Path(sys.argv[1]))
said = sorted({{said for _, _, said in tally.findings}})
print(tally.cases, tally.outcomes["killed"], tally.outcomes["refused"], said)
"""


@pytest.mark.parametrize(("deed", "signal"), [("os.abort()", "SIGABRT"), ("while True: pass", "SIGPROF")])
def test_what_kills_its_process_is_found_and_the_next_case_is_tried(tmp_path: Path, deed: str, signal: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _DEADLY.format(deed=deed), tmp_path], cwd=ROOT, capture_output=True, text=True
    )
    cases, killed, refused, said = done.stdout.strip().split(maxsplit=3)
    assert (int(cases), said) == (12, f"['{signal}']"), done.stderr
    assert int(killed) + int(refused) == 12
    assert int(killed) > 0
    assert int(refused) > 0

"""A writer that is killed at any moment loses nothing that it said was in, and leaves nothing that is half there."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from regraft.catalogue import Filters, open_catalogue
from regraft.catalogue.verifying import verify
from tests.catalogue.conftest import new_database

KILLS = 6


def _killed(address: str, seed: int, random_: random.Random) -> list[str]:
    """What a writer said was in before it was killed."""
    words = [sys.executable, "-m", "tests.catalogue.writer", address, "net", str(seed)]
    root = Path(__file__).resolve().parents[2]
    writer = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, cwd=root)
    assert writer.stdout is not None
    first = writer.stdout.readline()
    time.sleep(random_.uniform(0, 0.25))
    writer.send_signal(signal.SIGKILL)
    said = [first, *writer.stdout]
    writer.wait()
    writer.stdout.close()
    # The last line may be half there, and then says nothing.
    return [line.strip() for line in said if line.endswith("\n")]


@pytest.mark.parametrize("kind", ["folder", "server"])
def test_what_was_said_to_be_in_is_in(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    address = str(tmp_path / "zoo")
    if kind == "server":
        address = new_database(request.getfixturevalue("postgresql"))
    random_ = random.Random(0)
    said = [line for seed in range(KILLS if kind == "folder" else 2) for line in _killed(address, seed, random_)]
    catalogue = open_catalogue(address)
    verified = verify(catalogue)
    assert verified.holds, verified.damage
    assert verified.damage == ()
    there = {entry.address for entry in catalogue.search("", Filters(versions=True))}
    assert set(said) <= there
    # What a killed writer was about is at most one model for each kill.
    assert len(there) <= len(said) + KILLS
    catalogue.close()

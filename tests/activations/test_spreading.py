import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from regraft.activations import spreading
from regraft.core.errors import RequestError, StorageError, WorkError

# Ray warns of settings of its own, and leaves files open.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@dataclass(frozen=True, slots=True)
class Marking:
    """Leaves a file for each block, and gives the block's square."""

    folder: Path
    kills: int | None = None
    raises: type[Exception] | None = None

    def begin(self) -> Callable[[int], tuple[int, int]]:
        (self.folder / f"begun-{os.getpid()}").touch()

        def run(block: int) -> tuple[int, int]:
            if self.raises and block == 3:
                raise self.raises("no space left")
            marked = self.folder / f"killed-{block}"
            if block == self.kills and not marked.exists():
                marked.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.05)
            (self.folder / f"block-{block}").touch()
            return block, block**2

        return run


def test_every_block_is_done_by_one_of_two_workers(cluster, tmp_path):
    assert sorted(spreading.spread(Marking(tmp_path), range(8))) == [(n, n**2) for n in range(8)]
    assert len(list(tmp_path.glob("begun-*"))) == 2


def test_a_worker_that_dies_is_replaced_and_its_block_done(cluster, tmp_path):
    assert sorted(spreading.spread(Marking(tmp_path, kills=3), range(8))) == [(n, n**2) for n in range(8)]
    assert (tmp_path / "killed-3").exists()
    assert len(list(tmp_path.glob("begun-*"))) == 3


def test_our_own_errors_come_back_as_they_are(cluster, tmp_path):
    with pytest.raises(StorageError, match=r"^no space left$"):
        list(spreading.spread(Marking(tmp_path, raises=StorageError), range(8)))


def test_other_errors_are_one_line(cluster, tmp_path):
    with pytest.raises(
        WorkError, match=r"^a worker of the Ray cluster failed: OSError: no space left; see Ray's logs$"
    ):
        list(spreading.spread(Marking(tmp_path, raises=OSError), range(8)))


def test_without_ray_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(spreading.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RequestError, match=r"install it with: pip install 'regraft\[ray\]'"):
        list(spreading.spread(Marking(Path()), range(2)))

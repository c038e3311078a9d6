"""What an entry was good for."""

import threading
from pathlib import Path

from regraft.activations import usage
from regraft.activations.usage import Usage


def test_lines_are_added_up(tmp_path: Path) -> None:
    usage.add(tmp_path, Usage(computed=100, seconds=20.0, data=("flowers",)))
    usage.add(tmp_path, Usage(served=100, data=("birds",)))
    usage.add(tmp_path, Usage(served=50, data=("flowers",)))
    found = usage.read(tmp_path)
    assert found == Usage(100, 20.0, 150, ("birds", "flowers"))
    assert found.saved_seconds == 30.0
    assert Usage(served=3).saved_seconds == 0.0


def test_nonsense_is_passed_over_and_nothing_is_nothing(tmp_path: Path) -> None:
    assert usage.read(tmp_path / "none") == Usage()
    usage.add(tmp_path / "none", Usage(served=1))
    (tmp_path / usage.FILE).write_bytes(b'{"comp\n[]\n\xff\n{"computed": 1, "seconds": "x", "served": 0, "data": []}\n')
    usage.add(tmp_path, Usage(served=2))
    assert usage.read(tmp_path) == Usage(served=2)


def test_many_lines_become_one_and_names_do_not_grow(tmp_path: Path) -> None:
    for number in range(1000):
        usage.add(tmp_path, Usage(served=1, computed=1, seconds=0.5, data=(f"data {number}",)))
    assert (tmp_path / usage.FILE).stat().st_size < 2 * usage._MANY_BYTES
    found = usage.read(tmp_path)
    assert (found.served, found.computed, found.seconds) == (1000, 1000, 500.0)
    assert found.data == tuple(f"data {number}" for number in range(992, 1000))


def test_lines_without_sources_are_read_and_sources_are_as_data(tmp_path: Path) -> None:
    (tmp_path / usage.FILE).write_bytes(b'{"computed": 1, "seconds": 2.0, "served": 0, "data": ["a"]}\n')
    for name in ("one", "two", "one"):
        usage.add(tmp_path, Usage(served=1, sources=(name,)))
    assert usage.read(tmp_path) == Usage(1, 2.0, 3, ("a",), ("two", "one"))


def test_several_at_once_lose_next_to_nothing(tmp_path: Path) -> None:
    def add() -> None:
        for _ in range(300):
            usage.add(tmp_path, Usage(served=1))

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Putting them together, every 250 lines or so, may lose a line that is added at that very moment.
    assert 890 <= usage.read(tmp_path).served <= 900

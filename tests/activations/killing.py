"""Kills a process that fills a cache, again and again, and looks each time whether what is there is right.

    python -m tests.activations.killing FOLDER MOMENTS

Prints one line of JSON for each moment: how many examples there are, whether all rows are right, and what was
warned of. No framework is loaded, so that a process that writes can be forked from this one at once.
"""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np

from regraft.activations import lease
from regraft.activations.store import Store
from regraft.activations.usage import Usage
from regraft.core.progress import collecting_warnings

KEYS = ("aa" * 16, "bb" * 16)
_ROWS, _WIDTH = 20, 500
_LONGEST = 0.06


def row(number: int) -> np.ndarray:
    """What belongs to an example: nothing that a row of another one, or zeros, could be taken for."""
    return np.full(_WIDTH, number, "float32") + np.arange(_WIDTH, dtype="float32") / _WIDTH


def name(number: int) -> str:
    """The id of an example."""
    return f"{number:032x}"


def fill(folder: Path) -> None:
    """Write files of rows, of two keys in turn, until somebody ends it."""
    store = Store(folder)
    with store.computing(dict.fromkeys(KEYS, 1000)):
        for file in range(1, 1000):
            numbers = range(file * _ROWS, (file + 1) * _ROWS)
            rows = np.stack([row(number) for number in numbers])
            for key in KEYS:
                names = [name(number) for number in numbers]
                if file % 2:
                    store.append(key, {"dtype": "float32"}, names, rows)
                else:
                    # In portions, as a pass writes.
                    growing = store.begin(key, {"dtype": "float32"}, 2 * _ROWS)
                    for part in (slice(0, 7), slice(7, None)):
                        growing.add(names[part], rows[part])
                    growing.finish()
                store.note(key, Usage(computed=len(rows), seconds=1.0))
            print(file, flush=True)


def look(folder: Path, said: bytes) -> dict[str, object]:
    """What is there after a kill, compared with what the killed process said that it had written."""
    store = Store(folder)
    written = [number for file in said.split() for number in range(int(file) * _ROWS, (int(file) + 1) * _ROWS)]
    following = [number + 1 for number in range(len(written) + _ROWS - 1, len(written) + 3 * _ROWS - 1)]
    right, kept = True, 0
    with collecting_warnings() as warnings:
        for key in KEYS:
            rows = store.open(key)
            right &= bool(rows.holds([name(number) for number in written]).all())
            numbers = np.array(written + following)
            there = numbers[rows.holds([name(number) for number in numbers])].tolist()
            kept += len(there)
            right &= len(rows) == len(there)
            if there:
                wanted = np.stack([row(number) for number in there])
                right &= bool(np.array_equal(rows.gather([name(number) for number in there]), wanted))
    free = all(lease.holder(store.folder / key[:2] / key) is None for key in KEYS)
    return {"kept": kept, "said": 2 * len(written), "right": right, "free": free, "warnings": warnings}


def main(folder: str, moments: str) -> None:
    chance = random.Random(0)
    for moment in range(int(moments)):
        place = Path(folder) / str(moment)
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            os.dup2(writing, 1)
            try:
                fill(place)
            finally:
                os._exit(1)
        os.close(writing)
        time.sleep(chance.uniform(0.0, _LONGEST))
        os.kill(child, signal.SIGKILL)
        with os.fdopen(reading, "rb") as said:
            written = said.read()
        # A line may have been cut short by the end: it was written, but not said.
        written = written[: written.rfind(b"\n") + 1]
        _, status = os.waitpid(child, 0)
        print(json.dumps(look(place, written) | {"killed": os.WTERMSIG(status) == signal.SIGKILL}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

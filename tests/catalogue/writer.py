"""A process that adds models to a catalogue for ever, saying each that is there; tests kill it."""

import itertools
import sys

from regraft.catalogue import open_catalogue
from tests.catalogue.making import made


def write(address: str, name: str, seed: int) -> None:
    """Add models that share a layer and have one of their own, and print the address of each once it is in."""
    catalogue = open_catalogue(address)
    for turn in itertools.count():
        given = made(name, layers=(0, seed * 1_000_000 + turn), size=2_000)
        print(catalogue.add(given.card, given.parts).address, flush=True)


if __name__ == "__main__":
    write(sys.argv[1], sys.argv[2], int(sys.argv[3]))

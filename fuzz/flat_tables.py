"""Alterations of FlatBuffers: offsets that point elsewhere, to what others point at, backwards, or at themselves."""

from random import Random

from fuzz.blind import number


def altered(content: bytes, random: Random, other: bytes) -> bytes:
    """A flat buffer with one or a few numbers altered that could be offsets, counts or fields of a table."""
    out = bytearray(content)
    # What points is at places of four bytes; the numbers of weights are far fewer there than in the whole.
    reach = max(len(out) - 4, 4)
    for _ in range(random.choice((1, 1, 2, 4))):
        place = random.randrange(0, reach, 4) if random.random() < 0.6 else random.randrange(0, min(reach, 2000), 2)
        now = int.from_bytes(out[place : place + 4], "little")
        way = random.randrange(6)
        if way == 0:
            new = (random.randrange(0, len(out), 4) - place) % (1 << 32)
        elif way == 1:
            source = random.randrange(0, reach, 4)
            new = (source + int.from_bytes(out[source : source + 4], "little") - place) % (1 << 32)
        elif way == 2:
            new = 0
        elif way == 3:
            out[place : place + 2] = number(random, 2, now & 0xFFFF).to_bytes(2, "little")
            continue
        elif way == 4:
            out[place] = random.randrange(256)
            continue
        else:
            new = number(random, 4, now)
        out[place : place + 4] = new.to_bytes(4, "little")
    return bytes(out)

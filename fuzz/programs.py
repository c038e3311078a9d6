"""Alterations of pickles: opcodes left out, repeated, moved, replaced, with other arguments, with calls put in."""

import io
import pickletools
from random import Random

from fuzz.blind import altered as blind
from fuzz.blind import number

_CODES = [opcode.code.encode("latin-1") for opcode in pickletools.opcodes]
# What attacks are made of, and what merely does not belong there.
_GADGETS = (
    b"cos\nsystem\n(S'true'\ntR", b"cbuiltins\neval\n(S'1'\ntR", b"c__builtin__\ngetattr\n",
    b"(S'true'\nios\nsystem\n", b"\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R", b"cnumpy\nload\n", b"}b",
    b"N}\x86b", b"(dR", b")R", b")\x81", b"0", b"q\x00h\x00", b"h\x00", b"j\xff\xff\xff\xff", b"(" * 500,
    b"]" * 300, b"\x85" * 5000, b"(lp0\ng0\na", b"N" * 100 + b"t", b"cnumpy\nndarray\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n", b"ccollections\nOrderedDict\n", b"X\xff\xff\xff\x7f", b"\x8a\xff",
    b"\x8b\xff\xff\xff\x7f", b"I" + b"9" * 5000 + b"\n", b"\x80\x09", b"\x82\x01", b"\x97", b"Pid\n", b"NQ",
)  # fmt: skip


def altered(content: bytes, random: Random, other: bytes) -> bytes:
    """A pickle with one or a few of its opcodes altered; several one after the other count as one."""
    starts = _starts(content)
    if len(starts) < 3:
        return blind(content, random, other)
    for _ in range(random.choice((1, 1, 2, 3))):
        content = _alter(content, starts, random)
        starts = [start for start in starts if start < len(content)]
        if len(starts) < 3:
            break
    return content


def _starts(content: bytes) -> list[int]:
    """Where opcodes begin, in the pickles that stand one after the other."""
    file, starts = io.BytesIO(content), list[int]()
    try:
        while len(starts) < 5000:
            starts += [place for _, _, place in pickletools.genops(file) if place is not None]
    except (ValueError, OverflowError):
        pass
    return starts


def _alter(content: bytes, starts: list[int], random: Random) -> bytes:
    index = random.randrange(len(starts) - 1)
    start, end = starts[index], starts[index + 1]
    code = content[start:end]
    way = random.randrange(8)
    if way == 0:
        return content[:start] + content[end:]
    if way == 1:
        return content[:end] + code * random.choice((1, 2, 300)) + content[end:]
    if way == 2:
        return content[:start] + random.choice(_CODES) + content[start + 1 :]
    if way == 3:
        place = random.randrange(len(starts) - 1)
        return content[:start] + content[starts[place] : starts[place + 1]] + content[end:]
    if way in (4, 5) and len(code) > 1:
        width = min(random.choice((1, 2, 4, 8)), len(code) - 1)
        now = int.from_bytes(code[1 : 1 + width], "little")
        return (
            content[: start + 1] + number(random, width, now).to_bytes(width, "little") + content[start + 1 + width :]
        )
    return content[:start] + random.choice(_GADGETS) + content[start if random.random() < 0.5 else end :]

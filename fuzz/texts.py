"""Alterations of JSON and of protocol buffers as text: what is there gets another value, name or place."""

import json
import re
from random import Random
from typing import Any

_WORDS = re.compile(rb"[A-Za-z_]\w*|-?\d+(?:\.\d+)?|\"[^\"\n]*\"|[{}:]")
_KINDS = ("Lambda", "Dense", "Conv2D", "Functional", "Sequential", "InputLayer", "Bidirectional", "TimeDistributed",
          "Add", "Concatenate", "Reshape", "Flatten", "ZeroPadding2D", "os.system", "")  # fmt: skip


def json_altered(content: bytes, random: Random, other: bytes) -> bytes:
    """JSON with one or a few of its values altered; text that is no JSON is altered as text."""
    try:
        value = json.loads(content)
        places = list(_places(value, 0))
        donors = list(_places(json.loads(other), 0)) if other else []
    except (ValueError, RecursionError):
        return text_altered(content, random, other)
    if not places:
        return json.dumps(_odd(random, value)).encode()
    for _ in range(random.choice((1, 1, 2, 4))):
        holder, key = random.choice(places)
        _alter(holder, key, random, donors)
    return json.dumps(value).encode()


def text_altered(content: bytes, random: Random, other: bytes) -> bytes:
    """Text with a word replaced, left out, repeated or nested."""
    words = list(_WORDS.finditer(content))
    if not words:
        return content[: random.randrange(len(content) + 1)]
    word = random.choice(words)
    donors = [found.group() for found in _WORDS.finditer(other)] or [b""]
    new = random.choice(
        (b"", b"{", b"}", b"{" * random.choice((1, 200, 20_000)), b"-1", b"0", b"99999999999999999999", b"1e308",
         b"nan", b'"\\', random.choice(donors), word.group() * random.choice((2, 1000)), b"\xff\xfe")
    )  # fmt: skip
    return content[: word.start()] + new + content[word.end() :]


def _places(value: Any, depth: int):
    """Every value inside as (what holds it, key or index)."""
    if depth > 60:
        return
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield value, key
        yield from _places(inner, depth + 1)


def _alter(holder: Any, key: Any, random: Random, donors: list[Any]) -> None:
    try:
        now = holder[key]
    except (KeyError, IndexError):
        return
    way = random.randrange(8)
    if way == 0:
        del holder[key]
    elif way == 1 and donors:
        giver, name = random.choice(donors)
        holder[key] = giver[name]
    elif way == 2 and isinstance(holder, dict):
        holder[random.choice(("class_name", "config", "layers", "name", "x" * 5000, "shape", "inbound_nodes"))] = now
    elif way == 3 and isinstance(holder, list):
        holder.insert(key, now)
    elif way == 4 and isinstance(holder, list):
        random.shuffle(holder)
    else:
        holder[key] = _odd(random, now)


def _odd(random: Random, now: Any) -> Any:
    if isinstance(now, (int, float)) and not isinstance(now, bool) and random.random() < 0.6:
        return random.choice(
            (0, -1, 1, 2, 3, now * 2, now + 1, 2**31, 2**63, 10**30, -(10**30), 0.5, float("nan"), True)
        )
    if isinstance(now, str) and random.random() < 0.6:
        return random.choice((*_KINDS, now + "x", now[:-1], now + "/../" + now, "\ud800", "\n", "\0", now * 100))
    if isinstance(now, list) and now and random.random() < 0.5:
        return random.choice((now * 2, now[:-1], now[::-1], [now], [*now, None], now * 500))
    nested: Any = now
    for _ in range(random.choice((1, 3, 90, 400))):
        nested = [nested] if random.random() < 0.5 else {"config": nested, "class_name": "Sequential"}
    return random.choice((None, True, 0, -1, 1.5, "", "x", [], {}, [None], {"class_name": None}, nested))

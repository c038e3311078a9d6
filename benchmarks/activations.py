"""What it buys to run frozen layers once and keep what they make, and what keeping costs.

Every measurement is a process of its own (`passes.py`); those that are compared take turns, and ratios are formed
pair by pair. Pictures: all of `flowers5_227px` at 128 x 128, the network is MobileNet up to `conv_pw_12_relu`. Where
only the number of examples matters they are random features in a memory-mapped file, and the trunk is one dense layer.
"""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from benchmarks import frame, pictures, reading
from benchmarks.frame import Bar, FailedError, Result, Settings, Table, UnavailableError, seconds, times

NAME = "activations"

Found = dict[str, Any]

_ENVIRONMENT = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1"}
_ROUNDS = 3
_SIZES = (10_000, 100_000, 1_000_000)
_TEN_MORE = 100_000
_UNAVAILABLE = 2


def run(settings: Settings) -> Iterator[Result]:
    """Measure one thing after the other; the result so far after each."""
    pictures.shared()
    rounds = 1 if settings.reduced else min(_ROUNDS, settings.splits)
    result = Result(NAME, str(__doc__), (), (), settings=settings)
    # Minutes long, and the ratio is far from the noise.
    yield (result := _and(result, head_stage(*_pairs(("through", "cached"), 1))))
    yield (result := _and(result, probing([fresh("probing") for _ in range(rounds)])))
    yield (result := _and(result, engines([fresh("engine") for _ in range(rounds)])))
    yield (result := _and(result, overlap([fresh("overlap") for _ in range(rounds)])))
    *_, read = reading.run(settings)
    yield (result := _and(result, _named("reading", read)))
    yield (result := _and(result, writing([fresh("writing") for _ in range(rounds)])))
    sizes = [size // 100 for size in _SIZES] if settings.reduced else _SIZES
    yield (result := _and(result, scale([fresh("scale", size) for size in sizes])))
    more = _TEN_MORE // 100 if settings.reduced else _TEN_MORE
    yield (result := _and(result, ten_more([fresh("ten_more", more) for _ in range(rounds)])))


def fresh(name: str, examples: int | None = None) -> Found:
    """One measurement in a process of its own.

    Raises:
        UnavailableError: it says that it cannot run here.
        FailedError: it ended in any other way than with figures.
    """
    command = [sys.executable, "-m", "benchmarks.passes", name]
    command += ["--examples", str(examples)] if examples else []
    done = subprocess.run(command, cwd=frame.ROOT, env={**os.environ, **_ENVIRONMENT}, capture_output=True, text=True)
    if done.returncode == _UNAVAILABLE:
        raise UnavailableError(done.stderr.strip().rpartition("\n")[2])
    if done.returncode:
        raise FailedError(f"measuring '{name}' ended with {done.returncode}:\n{done.stderr[-4000:]}")
    line = done.stdout.strip().rpartition("\n")[2]
    print(f"{name}: {line[:200]}", file=sys.stderr, flush=True)
    return json.loads(line)


def head_stage(through: Sequence[Found], cached: Sequence[Found]) -> Result:
    """Seconds to the end of every epoch of the head, with the trunk in the loop and with its outputs kept."""
    ends = {
        way: [statistics.median(epoch) for epoch in zip(*(found["ends"] for found in all_), strict=True)]
        for way, all_ in (("through", through), ("cached", cached))
    }
    ratio = statistics.median(
        frame.ratios([item["ends"][-1] for item in through], [item["ends"][-1] for item in cached])
    )
    even = next((epoch for epoch, pair in enumerate(zip(*ends.values(), strict=True), 1) if pair[1] <= pair[0]), None)
    shown = [index for index in (0, 1, 4, 9, 19) if index < len(ends["through"])]
    rows = tuple(
        (
            str(index + 1),
            seconds(ends["through"][index]),
            seconds(ends["cached"][index]),
            times(ends["through"][index] / ends["cached"][index]),
        )
        for index in shown
    )
    table = Table(
        f"A head on a frozen trunk, {through[0]['examples']} pictures: seconds from the files to the end of an epoch",
        ("epoch", "through the trunk", "cached", "ratio"),
        rows,
    )
    bars = (
        Bar("20 epochs take at most 1/15 of the time through the trunk", f"1/{ratio:.1f} (median)", ratio >= 15),
        Bar("cached is level by the second epoch", f"epoch {even}", even is not None and even <= 2),
    )
    return _part(table, bars, {"through": through, "cached": cached})


def probing(found: Sequence[Found]) -> Result:
    """What probing every cut point costs, in plain passes."""
    every = [item["every"] / item["plain"] for item in found]
    probed = [item["probed"] / item["plain"] for item in found]
    rows = [
        (seconds(item["plain"]), seconds(item["every"]), seconds(item["probed"]), f"{ratio:.2f}x")
        for item, ratio in zip(found, probed, strict=True)
    ]
    table = Table(
        f"One pass over {found[0]['examples']} pictures, seconds: the top alone; all {found[0]['cut_points']} cut "
        "points; and a probe of each",
        ("top alone", "all cut points", "and probed", "ratio"),
        tuple(rows),
    )
    ratio = statistics.median(probed)
    bar = Bar(
        "probing all cut points takes at most 1.3 plain passes",
        f"{ratio:.2f} ({statistics.median(every):.2f} without the probes; medians)",
        ratio <= 1.3,
    )
    return _part(table, (bar,), {"probing": found})


def engines(found: Sequence[Found]) -> Result:
    """Pictures per second on arrays in memory, and what of it our engines reach."""
    rates: dict[str, list[float]] = {}
    for item in found:
        for name, values in item["rates"].items():
            rates.setdefault(name, []).append(statistics.median(values))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    ours = {name: rate for name, rate in medians.items() if name != "predict" and not name.startswith("raw ")}
    raw = {name: rate for name, rate in medians.items() if name.startswith("raw ")}
    table = Table(
        "Pictures per second on arrays in memory",
        ("engine", "per second", "of predict"),
        tuple((name, f"{rate:.0f}", times(rate / medians["predict"])) for name, rate in medians.items()),
    )
    best = max(ours, key=lambda name: ours[name])
    gains = [value / reference for value, reference in zip(rates[best], rates["predict"], strict=True)]
    bars = [
        Bar(
            "the fastest engine is at least 1.5 times `model.predict`",
            f"{statistics.median(gains):.2f} ({best})",
            statistics.median(gains) >= 1.5,
        )
    ]
    if raw:
        fastest = max(raw, key=lambda name: raw[name])
        parts = [value / reference for value, reference in zip(rates[best], rates[fastest], strict=True)]
        bars.append(
            Bar(
                "the fastest engine reaches 0.9 of the fastest one alone",
                f"{statistics.median(parts):.2f} ({best}, {fastest})",
                statistics.median(parts) >= 0.9,
            )
        )
    return _part(table, bars, {"engine": found})


def overlap(found: Sequence[Found]) -> Result:
    """What a pass takes beside the slower of its two halves."""
    rows, parts = [], {}
    for name in found[0]["seconds"]:
        work = [statistics.median(item["processor"][name]["together"]) for item in found]
        alone = [statistics.median(item["processor"][name]["computing"]) for item in found]
        of_processors = statistics.median(frame.ratios(work, alone))
        taken = [
            {way: statistics.median(item["seconds"][name][way]) for way in item["seconds"][name]} for item in found
        ]
        ratios = [one["together"] / max(one["decoding"], one["computing"]) for one in taken]
        parts[name] = statistics.median(ratios)
        medians = [statistics.median(one[way] for one in taken) for way in ("decoding", "computing", "together")]
        rows.append((name, *map(seconds, medians), f"{parts[name]:.2f}", f"{of_processors:.2f}"))
    table = Table(
        f"A pass over {found[0]['examples']} pictures, seconds",
        ("engine", "decoding alone", "computing alone", "together", "to the slower", "processor time, to computing"),
        tuple(rows),
    )
    bars = [
        Bar(f"decoding and computing by {name} take at most 1.15 of the slower alone", f"{part:.2f}", part <= 1.15)
        for name, part in parts.items()
    ]
    return _part(table, bars, {"overlap": found})


def writing(found: Sequence[Found]) -> Result:
    """What writing adds to computing."""
    written, dropped = ([each for item in found for each in item["seconds"][way]] for way in ("written", "dropped"))
    over = statistics.median(frame.ratios(written, dropped)) - 1
    table = Table(
        "A pass that keeps whole maps, seconds",
        ("written", "dropped", "overhead"),
        tuple((seconds(w), seconds(d), f"{w / d - 1:+.1%}") for w, d in zip(written, dropped, strict=True)),
    )
    bar = Bar("writing adds at most 5 % to computing", f"{over:+.1%} (median)", over <= 0.05)
    return _part(table, (bar,), {"writing": found})


def scale(found: Sequence[Found]) -> Result:
    """How time and memory grow with the number of examples."""
    rows = [
        (
            f"{item['examples']:,}",
            *(seconds(item["seconds"][stage]) for stage in ("open", "compute", "read")),
            f"{item['peak'] / 1e6:.0f}",
            f"{item['anonymous'] / 1e6:.0f}",
        )
        for item in found
    ]
    table = Table(
        "Synthetic examples in a memory-mapped file: seconds to open, compute, and read 100,000; peak memory, MB",
        ("examples", "open", "compute", "read", "resident", "of that not files"),
        tuple(rows),
    )
    # Pages of files are the system's to take back; what is the process's own is not.
    grown = max(item["anonymous"] for item in found) / found[0]["anonymous"] - 1
    per = [item["seconds"]["compute"] / item["examples"] for item in found]
    bars = (
        Bar(
            "memory other than pages of files grows by at most 10 % "
            f"from {found[0]['examples']:,} to {found[-1]['examples']:,} examples",
            f"{grown:+.1%}",
            grown <= 0.1,
        ),
        Bar(
            "time is linear: an example of the most costs at most 1.2 times one of the second most",
            f"{per[-1] / per[-2]:.2f}",
            per[-1] <= 1.2 * per[-2],
        ),
    )
    return _part(table, bars, {"scale": found})


def ten_more(found: Sequence[Found]) -> Result:
    """What ten new examples cost where the others are known."""
    rows = [(f"{item['examples']:,}", seconds(item["first"]), seconds(item["ten more"])) for item in found]
    table = Table(
        "Seconds of a pass, and of one over the same examples and ten more",
        ("examples", "first", "ten more"),
        tuple(rows),
    )
    return _part(table, (), {"ten more": found})


def _pairs(names: Sequence[str], rounds: int) -> list[list[Found]]:
    """Measurements in turn, by name."""
    found = [[fresh(name) for name in names] for _ in range(rounds)]
    return [list(column) for column in zip(*found, strict=True)]


def _part(table: Table, bars: Sequence[Bar], found: Mapping[str, Sequence[Found]]) -> Result:
    plain = tuple({"measurement": name, **item} for name, items in found.items() for item in items)
    return Result(NAME, "", (table,), plain, tuple(bars))


def _named(name: str, result: Result) -> Result:
    """A result of another benchmark as a part of this one."""
    return replace(result, measurements=tuple({"measurement": name, **item} for item in result.measurements))


def _and(result: Result, part: Result) -> Result:
    return replace(
        result,
        tables=(*result.tables, *part.tables),
        measurements=(*result.measurements, *part.measurements),
        bars=(*result.bars, *part.bars),
    )

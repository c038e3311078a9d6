"""Pictures of what `activations` measured, for people: `python -m benchmarks.drawing RESULTS.json FOLDER`."""

import json
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

Found = Mapping[str, Any]

# The first is ours, and what it is compared with is grey: readable in print, and for those who see red and green alike.
_OURS, _OTHER, _THIRD = "#0b6e99", "#9aa3a8", "#d98a29"
_SIZE = (6.4, 3.6)


def draw(measurements: Sequence[Found], folder: Path) -> list[Path]:
    """Draw everything that was measured into a folder, over earlier pictures; returns the files."""
    import matplotlib as mpl

    mpl.use("Agg")
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[Found]] = {}
    for item in measurements:
        found.setdefault(item["measurement"], []).append(item)
    return [
        _saved(drawn, found, folder / f"activations-{name}.png")
        for name, (needed, drawn) in _PICTURES.items()
        if all(part in found for part in needed)
    ]


def _saved(
    drawn: Callable[[Any, Mapping[str, list[Found]]], None], found: Mapping[str, list[Found]], path: Path
) -> Path:
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=_SIZE, layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    drawn(axes, found)
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _head(axes: Any, found: Mapping[str, list[Found]]) -> None:
    for name, label, colour in (("through", "trunk in the loop", _OTHER), ("cached", "activations kept", _OURS)):
        ends = [statistics.median(epoch) for epoch in zip(*(item["ends"] for item in found[name]), strict=True)]
        axes.plot(range(1, len(ends) + 1), ends, color=colour, linewidth=2.5, label=label)
        axes.annotate(f"{ends[-1]:.1f} s", (len(ends), ends[-1]), (4, 4), textcoords="offset points", color=colour)
    axes.set(
        xlabel="epoch", ylabel="seconds since the files", title="A head on a frozen trunk, 20 epochs", xlim=(1, 21.5)
    )
    axes.set_xticks([1, 5, 10, 15, 20])
    axes.legend(frameon=False, loc="center right")


def _probing(axes: Any, found: Mapping[str, list[Found]]) -> None:
    parts = {
        "the top alone": statistics.median(item["plain"] for item in found["probing"]),
        f"all {found['probing'][0]['cut_points']} cut points": statistics.median(i["every"] for i in found["probing"]),
        "and a probe of each": statistics.median(item["probed"] for item in found["probing"]),
    }
    _bars(axes, parts, [_OTHER, _OURS, _OURS], "{:.2f} s")
    axes.set(title=f"One pass over {found['probing'][0]['examples']} pictures", xlabel="seconds")


def _engine(axes: Any, found: Mapping[str, list[Found]]) -> None:
    rates: dict[str, list[float]] = {}
    for item in found["engine"]:
        for name, values in item["rates"].items():
            rates.setdefault(name, []).append(statistics.median(values))
    medians = {name: statistics.median(values) for name, values in sorted(rates.items(), key=lambda pair: pair[1])}
    colours = [_OTHER if name == "predict" else _THIRD if name.startswith("raw ") else _OURS for name in medians]
    _bars(axes, {name.replace("predict", "model.predict"): rate for name, rate in medians.items()}, colours, "{:.0f}")
    axes.set(title="Pictures per second, arrays in memory", xlabel="pictures per second")


def _overlap(axes: Any, found: Mapping[str, list[Found]]) -> None:
    parts: dict[str, float] = {}
    for name in found["overlap"][0]["seconds"]:
        for way in ("decoding", "computing", "together"):
            each = [statistics.median(item["seconds"][name][way]) for item in found["overlap"]]
            parts[f"{name}: {way}"] = statistics.median(each)
    _bars(axes, parts, [_OURS if name.endswith("together") else _OTHER for name in parts], "{:.2f} s")
    axes.set(title=f"A pass over {found['overlap'][0]['examples']} pictures", xlabel="seconds")


def _reading(axes: Any, found: Mapping[str, list[Found]]) -> None:
    parts = {
        f"{item['bytes']:,} bytes, batch {item['batch']}": statistics.median(
            plain / ours for plain, ours in zip(item["map"], item["store"], strict=True)
        )
        for item in found["reading"]
    }
    _bars(axes, parts, [_OURS] * len(parts), "{:.2f}")
    axes.axvline(1, color=_OTHER, linewidth=1)
    axes.set(title="Shuffled batches: the store to a mapped file", xlabel="ratio of rows per second")


def _writing(axes: Any, found: Mapping[str, list[Found]]) -> None:
    parts = {
        f"rows {way}": statistics.median(each for item in found["writing"] for each in item["seconds"][way])
        for way in ("dropped", "written")
    }
    _bars(axes, parts, [_OTHER, _OURS], "{:.2f} s")
    axes.set(title="A pass that keeps whole maps", xlabel="seconds")


def _scale(axes: Any, found: Mapping[str, list[Found]]) -> None:
    sizes = [item["examples"] for item in found["scale"]]
    axes.plot(sizes, [item["peak"] / 1e6 for item in found["scale"]], "o-", color=_OURS, label="resident")
    axes.plot(
        sizes, [item["anonymous"] / 1e6 for item in found["scale"]], "o-", color=_THIRD, label="of that not files"
    )
    axes.set(xscale="log", ylim=(0, None), xlabel="examples", ylabel="peak memory, MB", title="Memory of a whole pass")
    axes.legend(frameon=False, loc="upper left")


def _ten_more(axes: Any, found: Mapping[str, list[Found]]) -> None:
    items = found["ten more"]
    parts = {
        f"{items[0]['examples']:,} examples": statistics.median(item["first"] for item in items),
        "the same and 10 more": statistics.median(item["ten more"] for item in items),
    }
    _bars(axes, parts, [_OTHER, _OURS], "{:.2f} s")
    axes.set(title="What ten new examples cost", xlabel="seconds")


def _bars(axes: Any, parts: Mapping[str, float], colours: Sequence[str], form: str) -> None:
    bars = axes.barh(list(parts), list(parts.values()), color=colours, height=0.6)
    axes.bar_label(bars, [form.format(value) for value in parts.values()], padding=4)
    axes.set_xlim(0, 1.15 * max(parts.values()))
    axes.invert_yaxis()


_PICTURES: dict[str, tuple[tuple[str, ...], Callable[[Any, Mapping[str, list[Found]]], None]]] = {
    "head": (("through", "cached"), _head),
    "probing": (("probing",), _probing),
    "engine": (("engine",), _engine),
    "overlap": (("overlap",), _overlap),
    "reading": (("reading",), _reading),
    "writing": (("writing",), _writing),
    "memory": (("scale",), _scale),
    "ten-more": (("ten more",), _ten_more),
}


if __name__ == "__main__":
    for drawn in draw(json.loads(Path(sys.argv[1]).read_text())["measurements"], Path(sys.argv[2])):
        print(drawn)

"""Every score of every pair, at several cut points: `python -m benchmarks.ranking.looks --out FILE`.

For the study of rules: what combination of scores gives up least. A line of JSON for each pair, from the training
pictures alone; probes of all cut points that a head could stand on, other scores at some of them.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import fit, frame
from benchmarks.frame import UnavailableError
from benchmarks.ranking import sources, targets, truth
from benchmarks.ranking.sources import SOURCES
from benchmarks.ranking.targets import TARGETS
from benchmarks.ranking.truth import Asked, Pair

FILE = targets.PLACE / "looks.jsonl"

Array = np.ndarray[Any, Any]


def of_pair(pair: Pair) -> dict[str, Any]:
    """What is known of a pair without training."""
    import keras

    from regraft import data as data_room
    from regraft.activations.compute import compute
    from regraft.activations.engines import Wanted
    from regraft.activations.memory import MemoryStore
    from regraft.core.plan import Plan
    from regraft.graph.cut_points import cut_points
    from regraft.recipes.survey import informative_points

    given = targets.data(pair.target, pair.split, pair.per_class)
    wall, cpu = time.perf_counter(), time.process_time()
    source = sources.opened(pair.source)
    examples = data_room.open(str(given))
    rows = examples.indices("train")
    points = {point.name: point for point in cut_points(source.model)}
    names = informative_points(source.model, points, Plan(source=source.source))
    wanted = [Wanted(name, pooled=True) for name in names]
    with tempfile.TemporaryDirectory(prefix="regraft-benchmark-") as folder:
        found = compute(source.model, source.inputs, examples, rows, wanted, MemoryStore(Path(folder)))
        ids = examples.ids.take(rows)
        pooled = {item.cut_point: np.asarray(found.rows[item].gather(ids)) for item in wanted}
    passed = time.perf_counter() - wall, time.process_time() - cpu
    facts = {
        name: {
            "width": points[name].shape[-1],
            "depth": points[name].depth,
            "parameters_below": points[name].parameters_below,
            "flops_below": points[name].flops_below,
        }
        for name in names
    }
    line = pair.line() | {
        "examples": len(rows),
        "classes": len(examples.classes),
        "parameters": int(source.model.count_params()),
        "published": pair.source.published,
        **scored(pooled, examples.labels[rows], len(examples.classes), facts),
        "pass_seconds": passed[0],
        "pass_cpu_seconds": passed[1],
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }
    keras.backend.clear_session()
    return line


def scored(
    pooled: Mapping[str, Array], labels: Array, classes: int, facts: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Probes everywhere, and the other scores where the probe chooses, where it is best, at the top and on both."""
    from regraft.training.neighbours import left_out_neighbours
    from regraft.training.probes import best_cut, probe, probe_many
    from regraft.zoo.scores import SCORES

    probes = probe_many(pooled, labels, classes)
    cuts = {name: facts[name] | _probed(result) for name, result in probes.items()}
    chosen = {
        "chosen": best_cut(probes),
        "best": min(probes, key=lambda name: probes[name].error),
        "top": list(probes)[-1],
    }
    both = np.concatenate([pooled[name] for name in dict.fromkeys(chosen.values())], axis=1)
    cuts["both"] = _probed(probe(both, labels, classes))
    for name in dict.fromkeys((*chosen.values(), "both")):
        rows = both if name == "both" else pooled[name]
        near = left_out_neighbours(rows, labels, classes).predictions
        cuts[name] |= {"neighbours": float(np.mean(near == labels))}
        cuts[name] |= {score: module.score(rows, labels, classes) for score, module in SCORES.items()}
    return {"cuts": cuts, **chosen}


def _probed(result: Any) -> dict[str, float]:
    return {"probe": result.accuracy.value, "error": result.error}


def main(arguments: Iterable[str] | None = None) -> int:
    """Look at what was asked for; 2: a part of what it needs is not here."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranking.looks", description=__doc__)
    parser.add_argument(
        "--out", type=Path, default=FILE, metavar="FILE", help=f"default {FILE.relative_to(frame.ROOT)}"
    )
    parser.add_argument("--splits", type=int, default=truth.SPLITS, metavar="N", help="splits 0 to N - 1")
    parser.add_argument("--source", action="append", choices=SOURCES, help="only this one; may be repeated")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; may be repeated")
    asked = parser.parse_args(None if arguments is None else list(arguments))
    try:
        fit.ready()
        wanted = Asked(asked.splits, tuple(asked.source or ()), tuple(asked.target or ()))
        left = wanted.left(asked.out)
        for number, pair in enumerate(left, start=1):
            line = of_pair(pair)
            truth.append(asked.out, line)
            print(
                f"{number} of {len(left)}: {pair.source.name} on {pair.target.name} ({pair.split}): probe "
                f"{frame.percent(line['cuts'][line['chosen']]['probe'])} %, {frame.seconds(line['cpu_seconds'])} s",
                file=sys.stderr,
                flush=True,
            )
    except UnavailableError as reason:
        print(reason, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

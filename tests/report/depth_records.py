"""Records of depth searches that never were, made by rule: an ordinary one, and extremes that a page must survive."""

import dataclasses
import math

from regraft.core.depth import DepthRecord, Forecast, Recommended, Stretch, Trial, Way
from regraft.core.plan import FineTuneSpec, Plan
from regraft.core.records import Baseline, DataSummary, Metric, Probe

NAN = math.nan
EXAMPLES = 640


def metric(value: float, examples: int = EXAMPLES) -> Metric:
    """A share with the interval of so many answers."""
    spread = 1.96 * math.sqrt(max(value * (1 - value), 1e-4) / examples)
    return Metric(value, (max(value - spread, 0.0), min(value + spread, 1.0)))


def trial(way: Way, accuracy: float, *, steps: int = 0, finished: bool = True, seconds: float = 1.5) -> Trial:
    """A trial whose loss follows from its accuracy."""
    loss = 1.9 * (1 - accuracy) + 0.09
    return Trial(
        way=way,
        steps=steps,
        rate=3e-4 if steps else None,
        average=0.5 if steps else None,
        folds=5 if finished else 2,
        examples=EXAMPLES if finished else EXAMPLES * 2 // 5,
        accuracy=metric(accuracy),
        log_loss=Metric(loss, (loss - 0.05, loss + 0.06)),
        seconds=seconds,
        finished=finished,
    )


def cut(block: int) -> str:
    return f"conv_pw_{block}_relu"


def accuracy_of(block: int, tuned: int) -> float:
    """Rises with depth and falls at the end, as on flowers; a few layers that learn help more the higher the cut."""
    frozen = 0.42 + 0.45 * math.sin(1.75 * block / 13)
    return min(frozen + 0.055 * (block / 13) ** 2 * (1 - math.exp(-tuned / 5)) * (1.25 - 0.012 * tuned), 0.99)


def recommended(best: Trial, same: tuple[str, ...], accuracy: float, sentence: str) -> Recommended:
    way = best.way
    return Recommended(
        way, way.cut_point, way.frozen, way.tuned, accuracy, metric(accuracy).interval, best.rate, best.steps,
        best.average, same, sentence,
    )  # fmt: skip


def small() -> DepthRecord:
    """Thirteen blocks, some thirty ways, three of which cannot be told apart; with baselines and a forecast."""
    stretches = tuple(Stretch(f"block {block}", cut(block), 6 * block - 1, 4) for block in range(1, 14))
    probes = tuple(
        Probe(name, depth, 64 * 2 ** min(depth // 20, 4), metric(0.38 + 0.42 * math.sin(1.8 * depth / 80)))
        for depth, name in enumerate(
            f"conv_{kind}_{block}_{end}"
            for block in range(1, 14)
            for kind in ("dw", "pw")
            for end in ("conv", "bn", "relu")
        )
    )
    frozen = [trial(Way(cut(block), cut(block), (), 4 * block, 0), accuracy_of(block, 0)) for block in range(5, 14)]
    tuned = [
        trial(
            Way(cut(block), cut(block - depth), (), 4 * block, 4 * depth),
            accuracy_of(block, 4 * depth),
            steps=400,
            seconds=9.0 + depth,
        )
        for block in (9, 11, 12)
        for depth in (1, 2, 4, 8)
    ]
    new = [trial(Way(cut(11), cut(11), (64,), 44, 0), 0.859, steps=400, seconds=6.0)]
    early = [
        trial(Way(cut(13), cut(13 - depth), (), 52, 4 * depth), 0.80 + 0.01 * depth, steps=100, finished=False)
        for depth in (1, 3)
    ]
    ordered = sorted((*frozen, *tuned, *new), key=lambda each: each.log_loss.value)
    best = next(each for each in ordered if each.way.cut_point == cut(11) and each.way.tuned == 8)
    same = tuple(each.way.name for each in ordered[:3] if each is not best)
    table = (best, *(each for each in ordered if each is not best), *early)
    sentence = (
        "Reuse 44 of 52 layers, up to conv_pw_11_relu, and let the upper 8 of them learn: 90.1 % of new examples will "
        "be right (95 %: 87.8 to 92.4 %)."
    )
    return DepthRecord(
        folder="depth/flowers",
        source="nets/mobilenet_v1.keras",
        stretches=stretches,
        table=table,
        trials=(*frozen, *early, *(dataclasses.replace(each, steps=100, folds=2) for each in tuned), *tuned, *new),
        probes=probes,
        recommended=recommended(best, same, 0.901, sentence),
        baselines={
            "from_scratch": Baseline("from_scratch", metric(0.562), "the same network, its rate tuned, same time"),
            "random_trunk": Baseline("random_trunk", metric(0.408), "the same network, frozen as it was born"),
            "raw_pixels": Baseline("raw_pixels", metric(0.391), "logistic regression on 24 x 24 pixels"),
        },
        verdict="Reuse helps: 33.9 points above the same network from scratch, tuned at the same budget.",
        forecast=Forecast(
            (80, 160, 320, 640),
            (metric(0.79, 320), metric(0.838, 320), metric(0.874, 320), metric(0.901, 320)),
            {
                640: Metric(0.901, (0.878, 0.924)),
                960: Metric(0.913, (0.885, 0.941)),
                1280: Metric(0.92, (0.886, 0.953)),
                2560: Metric(0.935, (0.884, 0.974)),
            },
            "Twice the labels would bring about 1.9 points (-0.1 to 4.0); 4 more layers could then be let learn.",
        ),
        reused_trials=11,
        seconds={"open": 1.9, "activations": 14.2, "search": 118.0, "baselines": 44.0, "fit": 31.0, "report": 0.5,
                 "total": 210.6},
        budget=240.0,
        data=DataSummary({"train": 512, "validation": 128, "test": 137}, {"train": {"daisy": 250, "roses": 262}}),
        plan=Plan(
            "nets/mobilenet_v1.keras", data="data/my flowers", cut_point=cut(11),
            fine_tune=FineTuneSpec("yes", from_cut=cut(9)),
        ),
        run="depth/flowers/run",
        warnings=("2 pictures could not be read and were left out: roses/broken.jpg, tulips/notes.txt",),
        environment={"regraft": "0.1.0", "keras": "3.15.1", "machine": "x86_64, 2 cores"},
    )  # fmt: skip


def huge() -> DepthRecord:
    """120 cut points in 17 blocks with long names, 60 ways, warnings, nothing known from before."""
    record = small()
    per, blocks = 7, 17
    names = [
        f"inverted_residual_{block}_{part}"
        for block in range(1, blocks + 1)
        for part in ("expand", "expand_BN", "expand_relu", "depthwise", "depthwise_BN", "project", "project_BN")
    ]
    names.append("Conv_1_relu")
    stretches = tuple(
        Stretch(f"inverted_residual_{block}", names[per * block - 1], per * block, 6) for block in range(1, blocks + 1)
    )
    stretches += (Stretch("Conv_1", "Conv_1_relu", 120, 2),)
    probes = tuple(
        Probe(name, depth + 1, 1280, metric(0.35 + 0.45 * math.sin(1.9 * depth / 120) + 0.02 * math.cos(2.1 * depth)))
        for depth, name in enumerate(names)
    )
    ends = [each.cut_point for each in stretches]
    ways = [Way(end, end, (), 6 * (at + 1), 0) for at, end in enumerate(ends) if at > 2]
    ways += [Way(ends[at], ends[at - down], (), 6 * (at + 1), 6 * down) for at in range(6, 18) for down in (1, 3, 5)]
    ways += [
        Way(ends[at], ends[at - 3], hidden, 6 * (at + 1), 18)
        for at in (10, 14, 16)
        for hidden in ((128,), (256, 64), (512,))
    ]
    trials = [
        trial(
            way,
            0.5 + 0.4 * math.sin(1.75 * way.reused / 108) + 0.001 * way.tuned + 0.003 * math.sin(7 * at),
            steps=0 if not way.trained else 800,
            finished=at % 7 != 3,
            seconds=3.0 * (1 + way.tuned / 6),
        )
        for at, way in enumerate(ways)
    ]
    ordered = sorted(trials, key=lambda each: (not each.finished, each.log_loss.value))
    best = ordered[2]
    same = tuple(each.way.name for each in ordered[:16] if each is not best)
    return dataclasses.replace(
        record,
        stretches=stretches,
        table=(best, *(each for each in ordered if each is not best)),
        trials=tuple(trials + [dataclasses.replace(each, steps=200) for each in trials]),
        probes=probes,
        recommended=recommended(
            best, same, 0.887,
            f"Reuse {best.way.reused} of 104 layers, up to {best.way.cut_point}, and let the upper "
            f"{best.way.tuned} learn: 88.7 % of new examples will be right (95 %: 86.2 to 91.2 %). 16 ways of "
            "60 cannot be told apart on your data; this one trains fewest layers of those within a standard error of "
            "the best.",
        ),
        warnings=tuple(f"{index}: {'a warning of about three hundred characters ' * 7}" for index in range(12)),
        reused_trials=0,
        budget=None,
    )  # fmt: skip


def alone() -> DepthRecord:
    """One way only, nothing learns, no probes, no baselines, no forecast, no run, examples in memory."""
    record = small()
    only = trial(Way("features", "features", (), 3, 0), 0.75)
    return dataclasses.replace(
        record,
        stretches=(),
        table=(only,),
        trials=(only,),
        probes=(),
        recommended=recommended(only, (), 0.75, "Reuse all 3 layers as they are."),
        baselines={},
        verdict="Whether reuse helps was not asked.",
        forecast=None,
        reused_trials=0,
        seconds={},
        budget=None,
        data=DataSummary({"train": 40}, {}),
        plan=Plan("keras:MobileNet"),
        run="",
        warnings=(),
        environment={},
    )


def hurried() -> DepthRecord:
    """Time was up before any way with layers that learn got all its steps; reuse hurts."""
    record = small()
    table = tuple(
        dataclasses.replace(each, finished=not each.way.tuned, folds=1 if each.way.tuned else 5)
        for each in record.table
        if each.way.tuned != 8
    )
    best = next(each for each in table if each.finished)
    return dataclasses.replace(
        record,
        table=(best, *(each for each in table if each is not best)),
        recommended=recommended(best, (), 0.86, f"Reuse {best.way.reused} layers as they are: 86.0 %."),
        verdict="Reuse does not help: 4.1 points below the same network from scratch.",
        baselines={"from_scratch": Baseline("from_scratch", metric(0.901))},
        forecast=dataclasses.replace(record.forecast, at={640: Metric(0.86, (0.83, 0.89))}),
        budget=60.0,
        seconds={"search": 64.0, "total": 71.0},
        reused_trials=len(record.trials),
    )


def undefined() -> DepthRecord:
    """Every figure that can be undefined is."""
    record = small()
    none = Metric(NAN, (NAN, NAN))
    table = tuple(dataclasses.replace(each, accuracy=none, log_loss=none, seconds=NAN) for each in record.table)
    return dataclasses.replace(
        record,
        table=table,
        trials=table,
        probes=tuple(dataclasses.replace(each, accuracy=none) for each in record.probes),
        recommended=dataclasses.replace(
            record.recommended, accuracy=NAN, interval=(NAN, NAN), indistinguishable=(), sentence="Nothing is known."
        ),
        baselines={"from_scratch": Baseline("from_scratch", none)},
        forecast=Forecast((10,), (none,), {10: none, 20: none}, "Nothing can be said."),
        seconds={"open": NAN, "total": NAN},
    )


def hostile() -> DepthRecord:
    """Names that are code."""
    attack = "<script>alert('x')</script>"
    record = small()
    way = Way(attack, f"{attack}\udcff", (3,), 5, 2)
    tried = trial(way, 0.9, steps=5)
    other = trial(Way('"><img src=x onerror=alert(1)>', attack, (), 4, 1), 0.88, steps=5)
    return dataclasses.replace(
        record,
        folder=attack,
        source=attack,
        run=f"../{attack}/a b",
        stretches=(Stretch(attack, attack, 3, 5),),
        table=(tried, other),
        trials=(tried, other),
        probes=(Probe(attack, 3, 8, metric(0.8)),),
        recommended=recommended(tried, (other.way.name,), 0.9, attack),
        baselines={attack: Baseline(attack, metric(0.5), attack)},
        verdict=attack,
        forecast=Forecast((10,), (metric(0.8),), {10: metric(0.8), 20: metric(0.9)}, attack),
        seconds={attack: 1.0, "total": 1.0},
        warnings=(attack,),
        environment={attack: attack},
        data=DataSummary({"train": 3, attack: 1}, {}, (attack,)),
        plan=Plan(attack, data=attack, cut_point=attack),
    )


DEPTH_RECORDS = {
    "small": small, "huge": huge, "alone": alone, "hurried": hurried, "undefined": undefined, "hostile": hostile,
}  # fmt: skip

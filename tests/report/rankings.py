"""Rankings to draw: a whole one, one with hostile names, one of a single source, one with figures that are missing."""

from dataclasses import replace

from regraft.core.input_spec import InputSpec
from regraft.core.metric import Metric
from regraft.core.ranking import Known, Ranked, RankRecord, Refused
from regraft.core.records import Baseline, DataSummary

ATTACK = "<script>alert('x')</script>"
_INTERVAL = (0.75, 0.85)


def ranked(name: str, score: float) -> Ranked:
    scores = {"probe": score, "neighbours": score - 0.1, "logme": -0.3, "quality": 0.7}
    spec = InputSpec((64, 64, 3), name="tf", origin="known")
    return Ranked(name, score, (score - 0.05, score + 0.04), scores, "conv_3", 800, spec, 64, 128, 90_000, 10**7, 3.4)


def whole() -> RankRecord:
    accuracy = Metric(0.8, _INTERVAL)
    return RankRecord(
        (
            replace(ranked("/nets/a/first.keras", 0.9), confirmed=Metric(0.93, (0.9, 0.95)), run="/runs/1"),
            replace(ranked("/nets/b/second.keras", 0.88), warnings=("its convention was assumed",)),
            replace(ranked("zoo:third@2", 0.7), told_apart=True, note="it tells classes of these names apart already"),
            replace(ranked("/nets/c/fourth.onnx", 0.5), dropped_at=200, examples=200, told_apart=True),
        ),
        (Refused("/nets/d.keras", "'/nets/d.keras' is empty; get the file again"),),
        (Known("zoo:third@2", 5, accuracy, "test", Metric(0.62, (0.5, 0.7))), Known("zoo:same@1", 5, same_data=True)),
        {
            "majority": Baseline("majority class", Metric(0.2, (0.15, 0.25))),
            "raw_inputs": Baseline("raw inputs", accuracy),
        },
        "Reuse '/nets/a/first.keras'.",
        {"probe": 0.7, "neighbours": 0.2, "logme": 0.1},
        (200, 800),
        {"open": 0.1, "rounds": 12.0, "total": 13.0},
        600.0,
        DataSummary({"train": 800}, {"train": {"a": 400, "b": 400}}),
        False,
        ("a class has few examples",),
        {"python": "3.11"},
    )


def hostile() -> RankRecord:
    given = whole()
    return replace(
        given,
        ranking=tuple(
            replace(item, source=f"/nets/{ATTACK}{item.source}", cut_point=ATTACK, note=ATTACK, warnings=(ATTACK,))
            for item in given.ranking
        ),
        refused=(Refused(ATTACK, ATTACK),),
        known=(replace(given.known[0], source=ATTACK, measured_on=ATTACK),),
        verdict=ATTACK,
        environment={ATTACK: ATTACK},
        warnings=(ATTACK,),
    )


def alone() -> RankRecord:
    given = whole()
    return replace(
        given, ranking=given.ranking[:1], refused=(), known=(), baselines={}, warnings=(), budget=None, interrupted=True
    )


def without_figures() -> RankRecord:
    given = whole()
    bare = replace(given.ranking[0], scores={"probe": 0.5}, input_size=None, flops=None, confirmed=None)
    return replace(given, ranking=(replace(bare, trained_on_these=True),), environment={})


RANKINGS = {"whole": whole, "hostile": hostile, "alone": alone, "without figures": without_figures}

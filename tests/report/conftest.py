"""Records of runs that never were, made by rule: a good one, a bad one, and the extremes that a page must survive."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pytest

from regraft import report
from regraft.core.input_spec import InputSpec
from regraft.core.opened import LoadReport
from regraft.core.optimizer_state import Carried
from regraft.core.phase import Phase, Rate
from regraft.core.plan import Plan
from regraft.core.records import (
    Baseline,
    CacheUse,
    CalibrationBin,
    Certificate,
    DataSummary,
    Drift,
    Epoch,
    Metric,
    Metrics,
    Mistake,
    PhaseCertificate,
    PhaseRecord,
    Probe,
    RunRecord,
)

FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
NAN = math.nan


def metric(value: float, spread: float) -> Metric:
    return Metric(value, (value - spread, min(value + spread, 1.0)))


def metrics(examples: int, accuracy: float) -> Metrics:
    spread = 1.96 * math.sqrt(accuracy * (1 - accuracy) / examples)
    return Metrics(
        examples, metric(accuracy, spread), metric(accuracy - 0.004, spread), metric(0.31, 0.06), metric(0.028, 0.011)
    )


def layers(blocks: int) -> tuple[str, ...]:
    kinds = ("conv_dw_{}", "conv_dw_{}_bn", "conv_dw_{}_relu", "conv_pw_{}", "conv_pw_{}_bn", "conv_pw_{}_relu")
    middle = (kind.format(block) for block in range(1, blocks + 1) for kind in kinds)
    return ("conv1", "conv1_bn", "conv1_relu", *middle)


def variables(names: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    for name in names:
        if name.endswith("_bn"):
            found += [f"{name}/{part}" for part in ("gamma", "beta", "moving_mean", "moving_variance")]
        elif not name.endswith("_relu"):
            found.append(f"{name}/kernel")
    return tuple(found)


def confusion(classes: int, each: int, wrong: int) -> tuple[tuple[int, ...], ...]:
    table = np.zeros((classes, classes), int)
    for row in range(classes):
        table[row, row] = each
        for step in range(1, wrong + 1):
            count = (row * 7 + step * 3) % (4 + 2 * (step == 1))
            table[row, (row + step * step) % classes] += count
            table[row, row] -= count
    return tuple(tuple(int(count) for count in row) for row in table)


def history() -> tuple[Epoch, ...]:
    head = [Epoch("head", 0, None, 0.0, 0.2, 1.61, 0.0), Epoch("head", 1, 0.21, 0.0, 0.879, 0.371, 2.1)]
    tune = [
        Epoch(
            "fine_tune",
            epoch,
            0.24 * math.exp(-epoch / 4) + 0.05 + 0.01 * (epoch % 3),
            3e-4,
            0.879 + 0.033 * (1 - math.exp(-epoch / 3)) - 0.004 * (epoch % 2),
            0.372 - 0.07 * (1 - math.exp(-epoch / 3)) + 0.004 * (epoch % 3),
            3.4,
        )
        for epoch in range(11)
    ]
    return (*head, *tune)


def calibration(overconfidence: float, examples: int) -> tuple[CalibrationBin, ...]:
    bins: list[CalibrationBin] = []
    for index in range(15):
        low, high = index / 15, (index + 1) / 15
        count = int(examples * (index / 15) ** 4 / 3)
        confidence = (low + high) / 2
        share = max(0.0, min(1.0, confidence - overconfidence))
        bins.append(CalibrationBin(low, high, count, confidence if count else NAN, share if count else NAN))
    return tuple(bins)


def mistakes(classes: tuple[str, ...], count: int) -> tuple[Mistake, ...]:
    return tuple(
        Mistake(
            f"{classes[index % len(classes)]}/{10385 + 7919 * index}_n.jpg",
            f"{index:032x}",
            classes[index % len(classes)],
            classes[(index * 3 + 1) % len(classes)],
            0.991 - 0.021 * index,
        )
        for index in range(count)
    )


def phases(moving: tuple[str, ...], frozen: int, name: str = "fine-tune") -> tuple[PhaseRecord, ...]:
    """The head learns anew, then all above the cut with it; the head's state is kept, that of the others measured."""
    head = ("head/kernel", "head/bias")
    new = tuple(Carried(name, "reset", "", "adam", 0, None, "no state of before") for name in head)
    kept = tuple(Carried(name, "keep", "adam", "adam", 640, 1.3, "gradients are as large as before") for name in head)
    thawed = tuple(Carried(name, "calibrate", "", "adam", 20, None, "it had no state") for name in moving)
    drift = tuple(Drift(name.rpartition("/")[0], 0.011, False) for name in moving)
    return (
        PhaseRecord(
            Phase(name="warm", rates=(Rate("head/.*", 1e-3), Rate(".*", 0.0))), 4, 0, new,
            PhaseCertificate("warm", True, frozen + len(moving), "ab" * 8, (), 2, head, ()),
        ),
        PhaseRecord(
            Phase(name=name, rates=(Rate("head/.*", 3e-4), Rate(".*", 1e-4)), schedule="one-cycle"), 10, 8,
            (*kept, *thawed), PhaseCertificate(name, True, frozen, "cd" * 8, (), 2 + len(moving), (), drift),
        ),
    )  # fmt: skip


def good() -> RunRecord:
    """A run on five kinds of flowers that reuse helped."""
    names = layers(11)
    above = names[names.index("conv_pw_9_relu") + 1 :]
    moving = tuple(name for name in variables(above) if name.endswith("kernel"))
    frozen = tuple(name for name in variables(names) if name not in moving)
    probes = tuple(
        Probe(name, depth, 32 * 2 ** min(depth // 12, 5), metric(0.45 + 0.43 * math.sin(1.7 * depth / 82), 0.022))
        for depth, name in enumerate(layers(13)[2::3])
    )
    chosen = max(probes, key=lambda probe: probe.cut_point == "conv_pw_11_relu")
    return RunRecord(
        run="runs/flowers-mobilenet",
        model="runs/flowers-mobilenet/model.keras",
        report="runs/flowers-mobilenet/report.html",
        classes=FLOWERS,
        cut_point=chosen.cut_point,
        trained_from="conv_pw_9_relu",
        reused_layers=names,
        frozen_variables=frozen,
        trainable_variables=(*moving, "head/kernel", "head/bias"),
        metrics={"validation": metrics(545, 0.9082), "test": metrics(562, 0.9004)},
        baselines={
            "majority_class": Baseline("majority_class", metric(0.2438, 0.0355)),
            "nearest_neighbour": Baseline("nearest_neighbour", metric(0.7954, 0.0334), "on the activations at the cut"),
            "from_scratch": Baseline("from_scratch", metric(0.5374, 0.0412), "same network, same 41 s of training"),
        },
        transfer_gain=Metric(0.363, (0.318, 0.409)),
        evaluated_on="test",
        verdict="Reuse helped: 90.0 % on the test split, 36.3 points above the same network from scratch.",
        load=LoadReport(variables(layers(13)), skipped=("predictions/kernel", "predictions/bias")),
        certificate=Certificate(True, len(frozen), "7f83b1657ff1fc53b92dc18148a1d65d"),
        cache=CacheUse(212_400_120, 3670, 7340),
        seconds={"open": 1.9, "activations": 14.2, "head": 3.1, "fine_tune": 37.6, "baselines": 46.0, "report": 0.7,
                 "total": 104.4},
        probes=probes,
        history=history(),
        confusion=confusion(5, 112, 4),
        calibration=calibration(0.03, 560),
        mistakes=mistakes(FLOWERS, 12),
        drift=tuple(
            Drift(name, 0.0 if name not in above else 0.004 + 0.0021 * above.index(name), name not in above)
            for name in names
            if not name.endswith("relu")
        ),
        warnings=("2 pictures could not be read and were left out: roses/broken.jpg, tulips/notes.txt",),
        data=DataSummary(
            {"train": 2563, "validation": 545, "test": 562},
            {
                "train": dict(zip(FLOWERS, (443, 629, 449, 489, 553), strict=True)),
                "validation": dict(zip(FLOWERS, (94, 134, 95, 104, 118), strict=True)),
                "test": dict(zip(FLOWERS, (96, 135, 97, 106, 128), strict=True)),
            },
            ("roses/broken.jpg: truncated after 4096 bytes", "tulips/notes.txt: not a picture"),
        ),
        plan=Plan(
            "nets/mobilenet_v1.keras",
            data="data/flowers",
            data_digest="0d4a1f",
            input=InputSpec((128, 128, 3), (1 / 127.5,), (-1.0,), name="tf", origin="known"),
            cut_point=chosen.cut_point,
            views=4,
        ),
        phases=phases(moving, len(frozen)),
        environment={
            "regraft": "0.1.0", "keras": "3.15.1", "backend": "tensorflow 2.21.0", "python": "3.11.2",
            "machine": "x86_64, 2 cores", "system": "Linux 6.1",
        },
    )  # fmt: skip


def bad() -> RunRecord:
    """Reuse hurt, and the certificate did not hold."""
    record = good()
    return dataclasses.replace(
        record,
        certificate=Certificate(False, 93, "00ff" * 8, tuple(f"conv_dw_{index}_bn/moving_mean" for index in range(20))),
        transfer_gain=Metric(-0.061, (-0.094, -0.028)),
        verdict="Reuse did not help: 6.1 points below the same network from scratch.",
        drift=(*record.drift[:9], dataclasses.replace(record.drift[9], relative_change=0.02), *record.drift[10:]),
        warnings=("the first layer's activations look like another range of values; " * 4, *record.warnings),
        baselines={**record.baselines, "from_scratch": Baseline("from_scratch", metric(0.961, 0.02))},
        load=LoadReport(
            record.load.loaded[:40], (("a/w:0", "conv1/kernel"),), (), record.load.loaded[40:], ("x/y",), ("Partial.",)
        ),
    )


def bare() -> RunRecord:
    """Two classes, no test split, and nothing that can be left out."""
    return dataclasses.replace(
        good(),
        classes=("cat", "dog"),
        trained_from="conv_pw_11_relu",
        frozen_variables=variables(layers(11)),
        trainable_variables=("head/kernel", "head/bias"),
        metrics={"validation": metrics(40, 0.975)},
        evaluated_on="validation",
        baselines={},
        transfer_gain=None,
        verdict="97.5 % on the validation split; no comparison was run.",
        probes=(),
        history=(),
        confusion=((20, 0), (1, 19)),
        calibration=(),
        mistakes=(),
        drift=(),
        warnings=(),
        seconds={},
        load=LoadReport(),
        data=DataSummary({"train": 160, "validation": 40}, {}),
        plan=Plan("keras:MobileNet"),
        environment={},
    )


def huge() -> RunRecord:
    """200 classes with long names of many scripts, 60 probes with long names, long warnings."""
    words = (
        "ヒマワリの大きな花畑",
        "Löwenzahn-Pusteblume",
        "подсолнечник",
        "tulip with a very long common name indeed",
        "زهرة",
    )
    classes = tuple(f"{words[index % 5]} {index:03d} {'x' * (index % 40)}" for index in range(200))
    probes = tuple(
        Probe(f"net/block_{index}_expand_activation_with_a_long_name", index * 3, 1280, metric(0.3 + index / 120, 0.04))
        for index in range(60)
    )  # fmt: skip
    return dataclasses.replace(
        good(),
        classes=classes,
        cut_point=probes[40].cut_point,
        trained_from="not/among/the/layers",
        confusion=confusion(200, 30, 3),
        mistakes=mistakes(classes, 40),
        probes=probes,
        warnings=tuple(f"{index}: {'a warning of about three hundred characters ' * 7}" for index in range(12)),
        data=DataSummary({"train": 6000, "test": 1000}, {"train": dict.fromkeys(classes, 30)}, ("x" * 300,) * 50),
        transfer_gain=Metric(0.01, (-0.02, 0.04)),
        verdict="No clear gain: 1.0 points above the same network from scratch, which could be chance.",
    )


def undefined() -> RunRecord:
    """Every figure that can be undefined is."""
    none = Metric(NAN, (NAN, NAN))
    nothing = Metrics(0, none, none, none, none)
    record = good()
    return dataclasses.replace(
        record,
        metrics={"test": nothing},
        frozen_variables=(),
        certificate=Certificate(True, 0, ""),
        verdict="No verdict: nothing could be measured.",
        baselines={"from_scratch": Baseline("from_scratch", none)},
        transfer_gain=none,
        probes=tuple(dataclasses.replace(probe, accuracy=none) for probe in record.probes),
        history=(Epoch("head", 1, NAN, 0.0, NAN, NAN, NAN), Epoch("head", 2, 0.5, 0.0, NAN, NAN, NAN)),
        confusion=((0,) * 5,) * 5,
        calibration=(CalibrationBin(0, 1, 0, NAN, NAN),),
        drift=(Drift("conv1", NAN, False),),
        phases=(),
        seconds={"open": NAN, "total": NAN},
    )


def hostile() -> RunRecord:
    """Names that are code."""
    attack = "<script>alert('x')</script>"
    classes = (attack, '"><img src=http://evil.example/x onerror=alert(1)>', "a|b*c_d`e`", "&amp;", "line\nbreak")
    record = good()
    return dataclasses.replace(
        record,
        run=attack,
        classes=classes,
        cut_point=attack,
        trained_from=attack,
        reused_layers=(*record.reused_layers, attack),
        frozen_variables=(f"{attack}/kernel",),
        certificate=Certificate(False, 1, attack, (attack,)),
        mistakes=tuple(Mistake(f"{attack}\udcff.jpg", attack, classes[0], classes[1], 0.9) for _ in range(2)),
        probes=(Probe(attack, 1, 8, metric(0.8, 0.1)),),
        history=(Epoch(attack, 1, 0.1, 0.1, 0.9, 0.1, 1.0),),
        drift=(Drift(attack, 0.1, False),),
        warnings=(attack,),
        verdict=attack,
        seconds={attack: 1.0, "total": 1.0},
        environment={attack: attack},
        baselines={attack: Baseline(attack, metric(0.5, 0.1), attack)},
        phases=phases((f"{attack}/kernel",), 1, attack),
        interrupted=True,
        load=LoadReport((attack,), ((attack, attack),), (attack,), (attack,), (attack,), (attack,)),
        data=DataSummary({"train": 3, attack: 1}, {"train": {attack: 3}}, (attack,)),
        plan=Plan(attack, data=attack, cut_point=attack),
    )


RECORDS = {
    "good": good, "bad": bad, "bare": bare, "huge": huge, "undefined": undefined, "hostile": hostile,
}  # fmt: skip


def pictures(record: RunRecord) -> Mapping[str, bytes]:
    """A coloured gradient for each mistake but the last."""
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    found: dict[str, bytes] = {}
    for index, mistake in enumerate(record.mistakes[:-1]):
        channels = [
            np.roll(ramp, 17 * index)[:, None].repeat(96, 1),
            ramp[None, :].repeat(96, 0),
            np.full((96, 96), 80),
        ]
        found[mistake.id] = report.thumbnail(np.stack(channels, -1).astype(np.uint8))
    return found


@pytest.fixture(params=sorted(RECORDS))
def record(request: pytest.FixtureRequest) -> RunRecord:
    """Each of the records in turn."""
    return RECORDS[request.param]()


@pytest.fixture(scope="session")
def good_record() -> RunRecord:
    """A run that reuse helped."""
    return good()


@pytest.fixture(scope="session")
def records() -> Mapping[str, RunRecord]:
    """All of the records by name."""
    return {name: make() for name, make in RECORDS.items()}


@pytest.fixture
def thumbnails(record: RunRecord) -> Mapping[str, bytes]:
    """Pictures for the record's mistakes."""
    return pictures(record)

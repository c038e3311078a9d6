"""Catalogues to draw pages of: usual, empty, of a thousand models, without figures, with names that are code."""

import dataclasses
import random

from regraft.core.exhibit import AskedData, Exhibit, Exhibition, Kinship
from regraft.core.metric import Metric

NAN = float("nan")
ATTACK = "<script>alert('x')</script>"
FLOWERS = ("daisy", "dandelion", "roses", "sunflowers", "tulips")


def exhibit(name: str, version: int = 1, **said: object) -> Exhibit:
    """A model of which nothing but what is said is known."""
    plain = Exhibit(
        name=name,
        version=version,
        kind="network",
        created="2026-11-26T10:00:00+00:00",
        summary="",
        task="feature-extraction",
        classes=(),
        outputs=None,
        shape=(224, 224, 3),
        convention="tf",
        parameters=3_228_864,
        bytes=12_915_456,
        flops=1_137_000_000,
        layers=86,
        cut_points=57,
        accuracy=None,
        measured_on="",
        data="",
        licence="Apache-2.0",
        citation="",
        tags=(),
        source="",
        parent="",
        cut_point="",
        reused=0,
        thawed=0,
        shared=0,
        optimizer="",
        proof=None,
        verdict="",
    )
    return dataclasses.replace(plain, **said)  # type: ignore[arg-type]


def run(name: str, parent: str, right: float, version: int = 1, **said: object) -> Exhibit:
    """A finished run."""
    usual: dict[str, object] = {
        "kind": "run",
        "summary": f"5 classes of {name}, {100 * right:.1f} % right on test",
        "task": "image-classification",
        "classes": FLOWERS,
        "outputs": 5,
        "convention": "raw",
        "accuracy": Metric(right, (right - 0.03, right + 0.02)),
        "measured_on": "500 test examples",
        "data": f"{name} (400 train, 100 validation, 500 test)",
        "source": f"zoo:{parent}" if "@" in parent else parent,
        "parent": parent if "@" in parent else "",
        "cut_point": "conv_pw_11_relu",
        "reused": 70,
        "thawed": 12,
        "shared": 58,
        "optimizer": "adamw",
        "proof": True,
        "verdict": "Reuse helped: 4.2 points above the same network from scratch.",
    }
    return exhibit(name, version, **{**usual, **said})


def small() -> Exhibition:
    """Three generations above a network, a run of a network that is not there, a pretraining, a model by itself."""
    return Exhibition(
        catalogue="/home/ada/.local/share/regraft/zoo",
        exhibits=(
            run("daisies", "flowers@2", 0.91, thawed=0),
            exhibit(
                "digits-rbm", kind="pretraining", summary="pretrained by rbm on 1,000 digits", licence="", shape=(64,)
            ),
            run("flowers", "mobilenet@1", 0.88, tags=("plants",)),
            run("flowers", "mobilenet@1", 0.9, version=2, tags=("plants", "photographs"), licence="CC-BY-4.0"),
            exhibit("mobilenet", summary="MobileNet of ImageNet", tags=("imagenet",)),
            run("signs", "keras:MobileNetV2", 0.76, classes=("zero", "one"), proof=False),
            run("weeds", "daisies@1", 0.83),
            exhibit("xception", licence="MIT", parameters=20_861_480),
        ),
    )


def near() -> Exhibition:
    """The same beside data."""
    kin = {
        "daisies": Kinship(score=Metric(0.86, (0.82, 0.89)), cut_point="conv_pw_11_relu", classes=("daisy",)),
        "flowers": Kinship(
            score=Metric(0.93, (0.9, 0.95)), cut_point="conv_pw_11_relu", classes=FLOWERS, same_examples=True
        ),
        "mobilenet": Kinship(score=Metric(0.89, (0.86, 0.92)), cut_point="conv_pw_11_relu"),
        "digits-rbm": Kinship(note="it takes 64 numbers, the data are pictures"),
    }
    plain = small()
    return dataclasses.replace(
        plain,
        exhibits=tuple(dataclasses.replace(each, kinship=kin.get(each.name, Kinship())) for each in plain.exhibits),
        data=AskedData(name="meadow", examples=600, classes=FLOWERS, tried=400),
        warnings=("'roses@1' cannot be shown: its card is damaged",),
    )


def huge() -> Exhibition:
    """A thousand models in families of up to nine generations."""
    draw = random.Random(0)
    made: list[Exhibit] = [exhibit(f"net-{index}", parameters=draw.randrange(10**4, 10**8)) for index in range(40)]
    while len(made) < 1000:
        above = draw.choice(made)
        made.append(run(f"model-{len(made)}-of-a-longer-name", above.address, draw.uniform(0.5, 0.95)))
    return Exhibition(catalogue="s3://team/zoo", exhibits=tuple(sorted(made, key=lambda each: each.name)))


def undefined() -> Exhibition:
    """Every figure that can be undefined is, and two models each claim to be made of the other."""
    none = Metric(NAN, (NAN, NAN))
    one = run(
        "one",
        "two@1",
        NAN,
        summary="",
        accuracy=none,
        shape=(),
        classes=(),
        outputs=None,
        created="yesterday",
        flops=None,
    )
    return Exhibition(
        catalogue="zoo",
        exhibits=(one, dataclasses.replace(one, name="two", parent="one@1", kinship=Kinship(score=none))),
        data=AskedData(name="", examples=0, classes=()),
    )


def hostile() -> Exhibition:
    """Words that are code; names of models cannot be."""
    said = run(
        "bad",
        ATTACK,
        0.5,
        summary=ATTACK,
        task=ATTACK,
        classes=(ATTACK, '"><img src=http://evil.example/x onerror=alert(1)>'),
        licence=ATTACK,
        tags=(ATTACK,),
        citation=ATTACK,
        data=ATTACK,
        cut_point=ATTACK,
        optimizer=ATTACK,
        verdict=ATTACK,
        convention=ATTACK,
        kinship=Kinship(note=ATTACK, classes=(ATTACK,), cut_point=ATTACK),
    )
    return Exhibition(
        catalogue=ATTACK, exhibits=(said,), data=AskedData(name=ATTACK, examples=1, classes=()), warnings=(ATTACK,)
    )


EXHIBITIONS = {
    "small": small,
    "near": near,
    "huge": huge,
    "undefined": undefined,
    "hostile": hostile,
    "empty": lambda: Exhibition(catalogue="/tmp/zoo", exhibits=()),
}

"""The README of a model of the catalogue: a head that hubs read, words that stay words, nothing that is not known."""

import dataclasses
import re
from typing import Any

import yaml

from regraft.core.card import DataFacts, Lineage, OptimizerFacts
from regraft.core.input_spec import InputSpec
from regraft.core.metric import Metric
from regraft.core.records import Certificate, CutPoint, Metrics
from regraft.formats import hub_readme
from regraft.report.catalogue_card import LICENCES, readme
from tests.core.test_card import CARD, A
from tests.report.exhibits import ATTACK, NAN


def metrics(accuracy: float, examples: int = 500) -> Metrics:
    figure = Metric(accuracy, (accuracy - 0.03, accuracy + 0.02))
    return Metrics(examples, figure, figure, Metric(0.4, (0.3, 0.5)), Metric(0.05, (0.02, 0.08)))


RUN = dataclasses.replace(
    CARD,
    name="flowers",
    kind="run",
    summary="Tells five flowers apart.",
    verdict="Reuse helped.",
    task="image-classification",
    classes=("daisy", "tulip"),
    inputs=InputSpec((224, 224, 3), origin="stated"),
    cut_points=(CutPoint("conv1", 0, (112, 112, 32), 864),),
    data=DataFacts(digest=A, examples={"train": 400, "test": 500}, name="flowers5"),
    metrics={"validation": metrics(0.88, 100), "test": metrics(0.9)},
    lineage=Lineage(
        source="hf://google/mobilenet", parent="mobilenet@1", cut_point="conv1", reused=("a", "b"), thawed=("b",)
    ),
    optimizer=OptimizerFacts(kinds=("adamw",), slots=("momentum",), variables=2, steps=40, digest=A, bytes=5),
    licence="CC-BY-4.0",
    citation="@article{x}",
    tags=("plants", "a: b"),
    certificate=Certificate(True, 12, A),
)


def head(text: str) -> dict[str, Any]:
    return yaml.safe_load(text.split("---\n")[1])


def test_the_head_is_what_hubs_read() -> None:
    assert head(readme(RUN)) == {
        "library_name": "keras",
        "license": "cc-by-4.0",
        "pipeline_tag": "image-classification",
        "tags": ["regraft", "run", "plants", "a: b"],
        "base_model": "google/mobilenet",
        "metrics": ["accuracy"],
        "model-index": [
            {
                "name": "flowers",
                "results": [
                    {
                        "task": {"type": "image-classification"},
                        "dataset": {"name": "flowers5", "type": "imagefolder", "split": split},
                        "metrics": [{"type": "accuracy", "value": value}],
                    }
                    for split, value in (("validation", 0.88), ("test", 0.9))
                ],
            }
        ],
    }


def test_the_text_says_what_the_card_knows() -> None:
    told = readme(RUN).replace("\xa0", " ")
    for said in (
        "Tells five flowers apart.",
        "| test | 500 | 90.0 % (87.0 to 92.0 %) |",
        "- Input: 224 x 224 x 3, convention raw (stated)",
        "raw, 0 to 255, shape (n, 224, 224, 3)",
        "- Source: hf://google/mobilenet (mobilenet@1 of the catalogue that it comes from), cut at conv1",
        "- 2 reused layers, of which 1 learnt",
        "- Data: flowers5 (train 400, test 500)",
        "Certificate: 12 frozen variables byte-identical to the source's",
        "2, in the order of the outputs: daisy, tulip",
        "- The state of adamw after 40 steps is kept",
        "| `optimizer.npz` | the state of the optimizer |",
        "@article{x}",
    ):
        assert said in told, said


def test_what_is_not_known_is_not_said() -> None:
    told = readme(CARD)
    assert head(told) == {"library_name": "keras", "tags": ["regraft", "network"]}
    for heading in ("How good", "made from", "Classes", "Licence", "optimizer"):
        assert heading not in told
    undefined = dataclasses.replace(RUN, metrics={"test": metrics(NAN)})
    assert "model-index" not in readme(undefined)


def test_a_licence_that_hubs_do_not_know_is_named() -> None:
    said = head(readme(dataclasses.replace(RUN, licence='Ask "Ada"')))
    assert (said["license"], said["license_name"]) == ("other", 'Ask "Ada"')
    assert all(name == name.lower() for name in LICENCES)


def test_our_own_reader_reads_what_we_write() -> None:
    for licence in ("CC-BY-4.0", 'Ask "Ada"'):
        said = hub_readme.read(readme(dataclasses.replace(RUN, licence=licence)))
        assert said.licence.lower() == licence.lower()
        assert (said.task, said.library, said.trouble) == ("image-classification", "keras", "")
        assert said.tags == ("regraft", "run", "plants", "a: b")
        assert said.summary == "Tells five flowers apart."
        assert said.results == ("accuracy 0.88 on flowers5 (validation)", "accuracy 0.9 on flowers5 (test)")


def test_names_stay_text() -> None:
    hostile = dataclasses.replace(
        RUN,
        summary=ATTACK,
        verdict=ATTACK,
        task=ATTACK,
        classes=(ATTACK, "a|b*c_d`e`"),
        tags=("---", ATTACK),
        licence=ATTACK,
        lineage=Lineage(source=ATTACK, cut_point=ATTACK, reused=(ATTACK,), thawed=(ATTACK,)),
        data=DataFacts(name=ATTACK, examples={ATTACK: 1}),
        metrics={ATTACK: metrics(0.5)},
    )
    told = readme(hostile)
    said = head(told)
    assert said["license_name"] == ATTACK
    assert "pipeline_tag" not in said
    prose = re.sub(r"^```.*?^```", "", told.split("\n---\n", 1)[1], flags=re.DOTALL | re.MULTILINE)
    assert "<" not in prose
    assert "a\\|b\\*c\\_d\\`e\\`" in prose

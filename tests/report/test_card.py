"""The model card: a head that hubs can parse, and text in which no name becomes markup."""

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Literal

import pytest

from regraft import report
from regraft.core import plan
from regraft.core.records import RunRecord


def head_of(card: str) -> dict[str, str]:
    """The last word of each line of the head, by its indented key; strings unquoted."""
    match = re.match(r"---\n(.*?)\n---\n\n", card, re.DOTALL)
    assert match
    found: dict[str, str] = {}
    for line in match[1].splitlines():
        key, colon, value = line.partition(":")
        if colon and value:
            assert re.fullmatch(r'"(\\.|[^"\\])*"|[\w.-]+', value.strip()), line
            found[key] = json.loads(value) if value.strip().startswith('"') else value.strip()
        else:
            assert re.fullmatch(r" *(- )?[\w-]+:?", line), line
    return found


def test_head_parses_and_holds_the_accuracy(good_record: RunRecord) -> None:
    found = head_of(report.card(good_record))
    assert found["library_name"] == "keras"
    assert found["- name"] == "flowers-mobilenet"
    assert found["      split"] == "test"
    assert float(found["      value"]) == pytest.approx(0.9004)


def test_head_parses_for_every_record(record: RunRecord) -> None:
    head_of(report.card(record))


def test_head_has_no_accuracy_where_there_is_none(records: Mapping[str, RunRecord]) -> None:
    assert "model-index" not in report.card(records["undefined"])


def test_head_agrees_with_a_yaml_parser(record: RunRecord) -> None:
    yaml = pytest.importorskip("yaml", reason="a second opinion, where PyYAML is installed")
    head = report.card(record).split("---\n")[1]
    parsed = yaml.safe_load(head)
    assert parsed["tags"] == ["regraft", "transfer-learning", "image-classification"]


def test_names_stay_text(records: Mapping[str, RunRecord]) -> None:
    card = report.card(records["hostile"])
    prose = re.sub(r"^```.*?^```", "", card.split("---\n", 2)[2], flags=re.DOTALL | re.MULTILINE)
    assert "<" not in prose
    assert "a\\|b\\*c\\_d\\`e\\`" in prose
    assert "line break" in prose


def test_says_when_the_certificate_did_not_hold(records: Mapping[str, RunRecord]) -> None:
    assert "**The certificate did not hold**: 20" in report.card(records["bad"])
    assert "Certificate: 111" in report.card(records["good"])


def test_says_plainly_when_reuse_did_not_help(records: Mapping[str, RunRecord]) -> None:
    assert "Reuse did not help: it is worse than no reuse." in report.card(records["bad"])


def test_holds_the_plan_and_the_commands(good_record: RunRecord) -> None:
    card = report.card(good_record)
    assert plan.from_toml(card.split("```toml\n")[1].split("```")[0]) == good_record.plan
    assert "regraft fit DATA --plan plan.toml" in card
    assert "keras.models.load_model('model.keras')" in card


def test_says_what_fine_tuning_learnt_from(good_record: RunRecord) -> None:
    said = "Fine-tuning drew one of 4 views of each picture per epoch (the picture, its mirror image, a crop, a crop in"
    assert f"- {said}" in report.card(good_record)
    assert said in report.page(good_record, {})
    head = dataclasses.replace(good_record, history=good_record.history[:2])
    assert "Fine-tuning learnt" not in report.card(head)
    assert "per epoch" not in report.card(head) + report.page(head, {})


@pytest.mark.parametrize("refit", ["yes", "no"])
def test_says_when_the_validation_examples_were_learnt_from(
    good_record: RunRecord, refit: Literal["yes", "no"]
) -> None:
    record = dataclasses.replace(good_record, plan=dataclasses.replace(good_record.plan, refit=refit))
    assert ("learnt from these examples too" in report.card(record)) == (refit == "yes")
    assert ("learnt from these examples too" in report.page(record, {})) == (refit == "yes")

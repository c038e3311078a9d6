"""What a depth search says on a terminal: every line fits, figures are the record's, the answer is the last thing."""

import re

import pytest

from regraft.cli.depth_text import MOST_ROWS, WIDTH, lines
from tests.report.depth_records import DEPTH_RECORDS


@pytest.mark.parametrize("name", sorted(DEPTH_RECORDS))
def test_lines_fit_and_the_answer_is_last(name: str) -> None:
    record = DEPTH_RECORDS[name]()
    told = lines(record)
    assert max(map(len, told)) <= WIDTH
    assert " ".join(" ".join(told).split()).endswith(" ".join(record.recommended.sentence.split()))
    assert not any(line != line.rstrip() for line in told)
    # Read aloud, a mark that is no word would be silence; nan is no figure.
    assert not re.search(r"[^\x00-\x7f]|\bnan\b|\x1b", "\n".join(told))


def test_figures_stand_under_their_heads() -> None:
    record = DEPTH_RECORDS["small"]()
    told = lines(record)
    head = told[1]
    row = told[2]
    assert row.split() == [
        "conv_pw_11_relu", "<", "conv_pw_9_relu", "90.4%", "88.2", "to", "92.7%", "36", "8", "11.0", "s",
        "recommended",
    ]  # fmt: skip
    for name, value in (("accuracy", "90.4%"), ("frozen", " 36"), ("learn", " 8")):
        assert row[: head.index(name) + len(name)].endswith(value)


def test_standings_are_words() -> None:
    record = DEPTH_RECORDS["small"]()
    told = lines(record)
    assert sum(line.endswith("recommended") for line in told) == 1
    assert sum(line.endswith("as good") for line in told) == 3
    assert "  expected  90.1% of new examples right (87.8 to 92.4%)" in told


def test_of_many_ways_the_first_are_told_and_the_rest_counted() -> None:
    record = DEPTH_RECORDS["huge"]()
    told = lines(record)
    assert f"  and {len(record.table) - MOST_ROWS} more ways on the page" in told
    # Words of names are cut where figures leave no room for them; their numbers tell them apart.
    named = [re.split(r"\s{2,}", line.strip())[0] for line in told[2 : 2 + MOST_ROWS]]
    assert len(set(named)) == MOST_ROWS
    assert any(re.fullmatch(r"inve?_resi?_13_.*", name) for name in named)


def test_what_is_not_there_is_not_told() -> None:
    told = "\n".join(lines(DEPTH_RECORDS["alone"]()))
    assert "simpler ways" not in told
    assert "labels" not in told
    assert "warnings" not in told

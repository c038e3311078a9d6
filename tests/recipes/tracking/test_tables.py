"""Tables name what the steps of a curve are, and read back as the record has it."""

import csv
import dataclasses
import io
from pathlib import Path

from regraft.core.records import RunRecord
from regraft.core.similarity import Similarity
from regraft.recipes.tracking import tables
from tests.report.conftest import RECORDS
from tests.report.depth_records import DEPTH_RECORDS


def test_the_confusion_matrix_reads_back(tmp_path: Path) -> None:
    for name in ("good", "hostile", "huge"):
        record = RECORDS[name]()
        (tmp_path / "c.csv").write_text(tables.as_csv(tables.confusion(record)), encoding="utf-8", newline="")
        with (tmp_path / "c.csv").open(encoding="utf-8", newline="") as file:
            head, *rows = csv.reader(file)
        assert tuple(head) == ("actual", *record.classes)
        assert tuple(tuple(map(int, row[1:])) for row in rows) == record.confusion


def test_layers_and_cut_points_are_named_by_step(record: RunRecord) -> None:
    similarity = (Similarity("conv_pw_10_relu", 0.93, 112), Similarity("conv_pw_11_relu", 0.71, 112))
    found = tables.tables(dataclasses.replace(record, similarity=similarity))
    assert list(found) == ["drift", "similarity"]
    assert found["similarity"] == [
        ["step", "cut point", "CKA"], ["0", "conv_pw_10_relu", "0.93"], ["1", "conv_pw_11_relu", "0.71"],
    ]  # fmt: skip
    _, *rows = csv.reader(io.StringIO(tables.as_csv(found["drift"])))
    assert [(int(step), layer, fate == "frozen", float(change)) for step, layer, fate, change in rows] == [
        (step, each.layer, each.frozen, each.relative_change) for step, each in enumerate(record.drift)
    ]


def test_every_way_of_a_search_is_told_with_how_it_stands(record: RunRecord) -> None:
    search = DEPTH_RECORDS["small"]()
    _, *rows = tables.tables(record, search)["depth"]
    assert [row[0] for row in rows] == [trial.way.name for trial in search.table]
    assert [float(row[2]) for row in rows] == [trial.accuracy.value for trial in search.table]
    assert rows[0][-1] == "recommended"
    alike = {row[0] for row in rows if row[-1] == "cannot be told apart from it"}
    assert alike == set(search.recommended.indistinguishable)


def test_what_is_no_number_is_left_empty() -> None:
    for rows in tables.tables(RECORDS["undefined"](), DEPTH_RECORDS["undefined"]()).values():
        assert not any(cell in ("nan", "inf") for row in rows for cell in row)
    assert tables.tables(dataclasses.replace(RECORDS["bare"](), drift=(), similarity=())) == {}

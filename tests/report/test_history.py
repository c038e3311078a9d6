"""The history as CSV reads back to the history."""

import csv
import io
import math
from collections.abc import Mapping

from regraft import report
from regraft.core.records import Epoch, RunRecord


def read(text: str) -> list[Epoch]:
    return [
        Epoch(
            row["phase"],
            int(row["epoch"]),
            float(row["loss"]) if row["loss"] else None,
            float(row["rate"]),
            float(row["validation_accuracy"]),
            float(row["validation_loss"]),
            float(row["seconds"]),
        )
        for row in csv.DictReader(io.StringIO(text, newline=""))
    ]


def same(left: object, right: object) -> bool:
    both_nan = isinstance(left, float) and isinstance(right, float) and math.isnan(left) and math.isnan(right)
    return both_nan or left == right


def test_reads_back_to_the_same_values(record: RunRecord) -> None:
    found = read(report.history_csv(record))
    assert len(found) == len(record.history)
    for read_back, written in zip(found, record.history, strict=True):
        assert all(same(getattr(read_back, name), getattr(written, name)) for name in Epoch.__slots__)


def test_an_empty_history_is_a_header(records: Mapping[str, RunRecord]) -> None:
    assert report.history_csv(records["bare"]) == ",".join(Epoch.__slots__) + "\n"

"""The learning curves as a table for other programs."""

import csv
import dataclasses
import io

from regraft.core.records import Epoch, RunRecord


def history_csv(record: RunRecord) -> str:
    """The history as CSV, one row per epoch, to be plotted elsewhere.

    Args:
        record: of the run.

    Returns:
        A header with the field names of `Epoch`, then the rows; floats in the shortest form that reads back to the same
        value; empty where there was no training loss.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(field.name for field in dataclasses.fields(Epoch))
    writer.writerows(dataclasses.astuple(epoch) for epoch in record.history)
    return text.getvalue()

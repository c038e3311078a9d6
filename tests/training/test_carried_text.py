"""The table of what became of the optimizer's state."""

from regraft.core.optimizer_state import Carried
from regraft.training.carried_text import table


def test_rows_that_are_alike_are_one_the_highest_rate_first() -> None:
    rows = [
        Carried("low/a", "translate", "adam", "sgd", 40, 1.0, "as asked; the mean gradient from adam"),
        Carried("head/kernel", "reset", "", "sgd", 0, None, "as asked"),
        *(Carried(f"low/{letter}", "keep", "sgd", "sgd", 7) for letter in "bcde"),
    ]
    rates = {row.variable: 0.5 if row.variable == "head/kernel" else 0.25 for row in rows}
    assert table(rows, rates).splitlines() == [
        "rate  done       steps  from  variables",
        "0.5   reset      0      -     head/kernel",
        "0.25  translate  40     adam  low/a (the mean gradient from adam)",
        "0.25  keep       7      sgd   low/b, low/c, ... low/e (4)",
    ]

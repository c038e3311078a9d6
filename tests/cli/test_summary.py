"""What comes next is told in the words of the run's data."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from regraft.cli import summary


@pytest.mark.parametrize(
    ("text", "table", "files", "taken"),
    [(None, None, "PICTURES", "pictures"), (1, None, "TEXTS", "texts"), (None, 1, "TABLE", "rows")],
)
def test_what_comes_next_is_for_what_the_run_answers(text: Any, table: Any, files: str, taken: str) -> None:
    inputs = SimpleNamespace(text=text, table=table)
    record: Any = SimpleNamespace(run="a run", plan=SimpleNamespace(input=inputs))
    said = summary._next(record, None)
    assert f"regraft predict 'a run' {files}" in said
    assert f"answers for new {taken}" in said


@pytest.mark.parametrize(("backend", "before"), [("tensorflow", "  "), ("jax", "KERAS_BACKEND=tensorflow ")])
def test_an_export_that_needs_tensorflow_is_proposed_on_tensorflow(
    backend: str, before: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KERAS_BACKEND", backend)
    record: Any = SimpleNamespace(run="run", plan=SimpleNamespace(input=SimpleNamespace(text=None, table=None)))
    assert f"{before}regraft export run onnx" in summary._next(record, None)


def test_the_page_of_the_search_that_led_to_a_run_is_among_its_files(tmp_path: Path) -> None:
    record: Any = SimpleNamespace(run=str(tmp_path), report="report.html", model="model.keras")
    assert summary._files(record) == [("report", "report.html"), ("model", "model.keras")]
    (tmp_path / "depth.html").touch()
    names = [("report", "report.html"), ("search", str(tmp_path / "depth.html")), ("model", "model.keras")]
    assert summary._files(record) == names

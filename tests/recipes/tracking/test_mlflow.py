"""MLflow's own client finds in its store what the record says."""

import csv
import importlib
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from regraft.core.depth import DepthRecord
from regraft.core.errors import CorruptFileError, RequestError, WorkError
from regraft.core.records import RunRecord
from regraft.recipes.tracking import figures, mlflow, mlflow_store
from tests.recipes.tracking.conftest import ENDED, written
from tests.report.conftest import RECORDS


@pytest.fixture(scope="module")
def library() -> Any:
    return pytest.importorskip("mlflow", reason="needs mlflow: pip install 'regraft[mlflow]'")


@pytest.fixture(autouse=True)
def no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's own server hears of tests."""
    for name in (mlflow_store.TRACKING, mlflow_store.EXPERIMENT):
        monkeypatch.delenv(name, raising=False)


def runs(library: Any, store: Path, heading: str = "regraft") -> tuple[Any, list[Any]]:
    client = library.MlflowClient(f"sqlite:///{store / 'mlflow.db'}")
    return client, list(client.search_runs([client.get_experiment_by_name(heading).experiment_id]))


def test_the_client_reads_the_record_s_numbers(library: Any, folder: Path, record: RunRecord) -> None:
    store = mlflow.write(folder, record)
    assert store == folder / "exported" / "mlflow"
    client, (run,) = runs(library, store)
    assert (run.info.status, run.info.run_name, run.info.end_time) == ("FINISHED", "flowers", 1000 * ENDED)
    # What has a curve stands there with its last value.
    for name, value in figures.figures(record).items():
        assert run.data.metrics[name] == value
    told = client.get_metric_history(run.info.run_id, "learning/validation_accuracy")
    assert [(each.step, each.value) for each in told] == [
        (step, epoch.validation_accuracy) for step, epoch in enumerate(record.history)
    ]
    assert run.data.params["cut_point"] == "conv_pw_11_relu"
    assert run.data.params == {name: str(value) for name, value in figures.parameters(record).items()}
    assert run.data.tags["regraft.verdict"] == record.verdict


def test_documents_and_tables_are_artifacts_and_the_search_that_led_to_the_run_is_told(
    library: Any, folder: Path, record: RunRecord, search: DepthRecord
) -> None:
    client, (run,) = runs(library, mlflow.write(folder, record))
    assert sorted(each.path for each in client.list_artifacts(run.info.run_id)) == [
        "README.md", "confusion.csv", "depth.csv", "depth.html", "depth.json", "drift.csv", "history.csv", "plan.toml",
        "report.html", "run.json",
    ]  # fmt: skip
    kept = folder / "exported" / "mlflow" / "artifacts"
    (report,) = kept.rglob("report.html")
    assert report.read_bytes() == (folder / "report.html").read_bytes()
    (table,) = kept.rglob("depth.csv")
    with table.open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["way", *(trial.way.name for trial in search.table)]
    assert run.data.metrics["depth/accuracy_low"] == search.recommended.interval[0]
    told = client.get_metric_history(run.info.run_id, "depth/frozen_accuracy")
    wanted = [point for point in figures.curves(record, 0.0, search) if point.name == "depth/frozen_accuracy"]
    assert [(each.step, each.value) for each in told] == [(point.step, point.value) for point in wanted]


def test_a_damaged_search_is_refused_before_anything_is_told(
    library: Any, folder: Path, record: RunRecord, search: DepthRecord
) -> None:
    (folder / "depth.json").write_text("{")
    with pytest.raises(CorruptFileError, match=r"depth\.json' is not the record of a search: .*or remove it"):
        mlflow.write(folder, record)
    assert not (folder / "exported").exists()


def test_a_run_that_is_there_is_not_written_again(
    library: Any, folder: Path, record: RunRecord, tmp_path: Path
) -> None:
    for _ in range(2):
        mlflow.write(folder, record, tmp_path / "store")
    other = written(tmp_path / "other", RECORDS["bare"]())
    mlflow.write(other, RECORDS["bare"](), tmp_path / "store")
    _, found = runs(library, tmp_path / "store")
    assert sorted(run.info.run_name for run in found) == ["flowers", "other"]


def test_goes_where_mlflow_s_own_variables_say(
    library: Any, folder: Path, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "server").mkdir()
    monkeypatch.setenv(mlflow_store.TRACKING, f"sqlite:///{tmp_path / 'server' / 'mlflow.db'}")
    monkeypatch.setenv(mlflow_store.EXPERIMENT, "flowers of 2025")
    monkeypatch.chdir(tmp_path)
    receipt = mlflow.write(folder, record)
    _, (run,) = runs(library, tmp_path / "server", "flowers of 2025")
    assert json.loads(receipt.read_text()) == {"experiment": "flowers of 2025", "run": run.info.run_id}


def test_a_run_that_could_not_be_finished_is_marked_and_made_anew(
    library: Any, folder: Path, record: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exceptions = importlib.import_module("mlflow.exceptions")

    def refused(*_: Any, **__: Any) -> None:
        raise exceptions.MlflowException("the disk of the\nserver is full")

    with monkeypatch.context() as patched:
        patched.setattr(library.MlflowClient, "log_artifact", refused)
        with pytest.raises(WorkError, match="MLflow refused the run: the disk of the server is full"):
            mlflow.write(folder, record, tmp_path / "store")
    mlflow.write(folder, record, tmp_path / "store")
    _, found = runs(library, tmp_path / "store")
    assert sorted(run.info.status for run in found) == ["FAILED", "FINISHED"]


def test_a_value_that_is_too_long_is_cut_and_whole_in_the_plan() -> None:
    cut = mlflow_store.shortened("x" * 7000)
    assert (len(cut), cut[-3:]) == (6000, "...")
    assert mlflow_store.shortened("x" * 6000) == "x" * 6000


def test_without_mlflow_one_line_says_how_to_get_it(
    folder: Path, record: RunRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(RequestError, match=r"needs mlflow; install it with: pip install 'regraft\[mlflow\]'"):
        mlflow.write(folder, record)
    assert not (folder / "exported").exists()


def test_a_file_in_the_way_is_named(library: Any, folder: Path, record: RunRecord, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("mine")
    with pytest.raises(RequestError, match=r"expected a folder for MLflow's store, found the file '.*store'"):
        mlflow.write(folder, record, tmp_path / "store")

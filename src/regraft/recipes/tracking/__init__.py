"""A finished run's numbers for programs that keep many runs beside each other: TensorBoard, MLflow."""

from collections.abc import Callable, Mapping
from pathlib import Path

from regraft.core.records import RunRecord
from regraft.recipes.tracking import mlflow, tensorboard

# Each writes the run of a folder, with its record, to a place, or where that kind goes by itself; they need no model.
TRACKERS: Mapping[str, Callable[[Path, RunRecord, Path | None], Path]] = {
    "tensorboard": tensorboard.write,
    "mlflow": mlflow.write,
}

__all__ = ["TRACKERS"]

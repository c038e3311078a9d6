"""How tests of restoring compare models and read reports."""

import keras
import numpy as np

from regraft.core.opened import LoadReport
from regraft.graph import names


def values(model: keras.Model) -> dict[str, np.ndarray]:
    """The values of a model's variables by name, without the state of random layers."""
    return {
        name: np.asarray(keras.ops.convert_to_numpy(variable)).copy()
        for name, variable in names.variables(model).items()
        if not name.endswith("seed_generator_state")
    }


def assert_every_name_has_one_row(report: LoadReport, tensors: list[str], variables: list[str]) -> None:
    """Every name on both sides is in one row of a report."""
    on_the_left = [
        *report.loaded, *(old for old, _ in report.renamed), *report.skipped, *report.unused,
        *(name for item in (*report.transformed, *report.mismatched) for name in item.tensors),
    ]  # fmt: skip
    on_the_right = [
        *report.loaded, *(new for _, new in report.renamed), *report.missing, *report.kept,
        *(name for item in (*report.transformed, *report.mismatched) for name in item.variables),
    ]  # fmt: skip
    assert sorted(on_the_left) == sorted(tensors)
    assert sorted(on_the_right) == sorted(variables)


def assert_close(found: np.ndarray, expected: np.ndarray) -> None:
    """Two answers are the same to rounding."""
    # Float32 through thirty layers: 1e-5 of the largest answer.
    assert np.abs(found - expected).max() < 1e-5 * np.abs(expected).max()


def same_values(left: keras.Model, right: keras.Model) -> None:
    """Two models have the same values, bit for bit."""
    expected = values(right)
    for name, value in values(left).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)

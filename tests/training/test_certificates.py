"""Proofs, and how far layers moved."""

import keras
import numpy as np
import pytest

from regraft.core.errors import ProofError
from regraft.core.input_spec import InputSpec
from regraft.graph import names
from regraft.surgery.cut import cut
from regraft.surgery.graft import graft, join
from regraft.training.certificates import certify, drift, require
from tests.laws.networks import built


def _joined() -> tuple[keras.Model, keras.Model, keras.Model, keras.Model]:
    source = built("chain")
    trunk, rest = cut(source, "relu0")
    branch = graft(rest, 2)
    return source, trunk, branch, join(trunk, branch, InputSpec((12, 12, 3)))


def test_a_model_whose_trunk_is_the_sources_is_certified() -> None:
    source, trunk, _, joined = _joined()
    certificate = certify(source, joined, trunk, ["norm1/moving_mean"])
    assert (certificate.frozen_unchanged, certificate.variables, certificate.changed) == (True, 6, ())
    require(certificate)
    assert certificate.digest == certify(source, joined, trunk, ["norm1/moving_mean"]).digest
    assert certificate.digest != certify(source, joined, trunk).digest


@pytest.mark.parametrize(
    ("moved", "name"),
    [("trunk/norm0/moving_variance", "norm0/moving_variance"), ("branch/norm1/moving_mean", "norm1/moving_mean")],
)
def test_one_bit_of_one_statistic_is_found(moved: str, name: str) -> None:
    source, trunk, _, joined = _joined()
    variable = names.variables(joined)[moved]
    value = keras.ops.convert_to_numpy(variable).copy()
    value[0] = np.nextafter(value[0], np.float32(9))
    variable.assign(value)
    certificate = certify(source, joined, trunk, ["norm1/moving_mean"])
    assert certificate.changed == (name,)
    with pytest.raises(ProofError, match=f"1 of 6 frozen variables moved, first '{name}'; this is a fault of Regraft"):
        require(certificate)


def test_drift_is_the_norm_of_the_change_over_the_norm_before() -> None:
    source, _, branch, _ = _joined()
    before = keras.ops.convert_to_numpy(names.variables(source)["conv1/kernel"])
    names.variables(branch)["conv1/kernel"].assign(before * 1.25)
    found = {row.layer: row for row in drift(source, branch, ["norm1/gamma", "norm1/beta"])}
    assert list(found) == ["conv1", "norm1", "top"]
    assert found["conv1"].relative_change == pytest.approx(0.25, rel=1e-5)
    assert found["top"].relative_change == 0.0

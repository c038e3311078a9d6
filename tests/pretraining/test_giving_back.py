"""Errors of autoencoders, by numbers."""

import numpy as np
import pytest

from regraft.core.errors import RequestError
from regraft.pretraining.giving_back import errors, require_error
from regraft.pretraining.learner import Sample


def _sample(x: np.ndarray) -> Sample:
    return Sample(kind="numbers", x=x.astype(np.float32), count=len(x))


def test_cross_entropy_is_zero_where_what_is_wanted_is_given_back_and_the_divergence_elsewhere() -> None:
    wanted, given = np.float32([0.2, 0.7, 0.5]), np.float32([0.2, 0.4, 0.9])
    logits = np.log(given / (1 - given))
    divergence = wanted * np.log(wanted / given) + (1 - wanted) * np.log((1 - wanted) / (1 - given))
    # float32 rounding of logarithms of order 1.
    assert np.asarray(errors(True)(logits, wanted)) == pytest.approx(divergence, abs=1e-6)


def test_cross_entropy_of_zeros_and_ones_is_finite() -> None:
    found = np.asarray(errors(True)(np.float32([0.0, 40.0, -40.0]), np.float32([1.0, 1.0, 0.0])))
    assert found == pytest.approx([np.log(2), 0, 0], abs=2e-5)  # Values are kept 1e-6 away from 0 and 1.


def test_values_outside_zero_to_one_have_no_cross_entropy() -> None:
    with pytest.raises(RequestError, match="expected values from 0 to 1 for a cross entropy, found -1 to 2"):
        require_error("cross-entropy", _sample(np.array([[-1.0, 2.0]])))
    assert not require_error("auto", _sample(np.array([[-1.0, 2.0]])))
    assert require_error("auto", _sample(np.array([[0.0, 1.0]])))

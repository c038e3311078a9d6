"""Answers that are too sure are judged by what they know."""

import numpy as np
import pytest
from scipy.special import softmax

from regraft.recipes.depth.tempering import tempered


@pytest.fixture
def asked():
    """Logits from which labels were drawn, and the labels."""
    random = np.random.default_rng(0)
    logits = 2 * random.standard_normal((4_000, 5))
    draws = random.random(len(logits))
    labels = (softmax(logits, axis=1).cumsum(axis=1) < draws[:, None]).sum(axis=1)
    return logits, np.minimum(labels, 4)


@pytest.mark.parametrize("sureness", [0.5, 1.0, 2.0, 4.0])
def test_how_sure_they_are_makes_no_difference(asked, sureness):
    logits, labels = asked
    right = tempered(softmax(logits, axis=1)[None], labels)
    found = tempered(softmax(sureness * logits, axis=1)[None], labels)
    # The exponents are 19 % apart.
    assert found.losses.mean() == pytest.approx(right.losses.mean(), rel=0.01)
    assert np.array_equal(found.answers.argmax(axis=1), logits.argmax(axis=1))
    assert found.answers.sum(axis=1) == pytest.approx(1.0, abs=1e-5)


def test_the_one_that_knows_more_is_taken_though_it_is_too_sure(asked):
    logits, labels = asked
    blurred = logits + np.random.default_rng(1).standard_normal(logits.shape)
    found = tempered(np.stack([softmax(blurred, axis=1), softmax(6 * logits, axis=1)]), labels)
    assert found.place == 1

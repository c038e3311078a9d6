"""The head against scikit-learn: same optimum, same logits; its penalty, its edge cases, its streamed twin."""

from collections.abc import Iterator

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from threadpoolctl import threadpool_limits

from regraft.core.errors import DataError, RequestError
from regraft.core.plan import HeadSpec
from regraft.training.heads import LinearHead, fit_head, fit_streamed
from regraft.training.heads.basis import scale_of
from regraft.training.heads.selection import folds_of


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """The references are small too: more threads only get in each other's way."""
    with threadpool_limits(1, "blas"):
        yield


def examples(n: int, d: int, k: int, seed: int = 0, noise: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    """Correlated, unequally scaled, off-centre activations, as networks make them, and labels they tell of."""
    draw = np.random.default_rng(seed)
    hidden = draw.standard_normal((n, 12))
    activations = hidden @ draw.standard_normal((12, d)) + 0.7 * draw.standard_normal((n, d))
    activations = activations * np.exp(draw.standard_normal(d)) + 3 * draw.random(d)
    labels = (hidden @ draw.standard_normal((12, k)) * 2 + noise * draw.gumbel(size=(n, k))).argmax(axis=1)
    return activations.astype(np.float32), labels


def standardise(activations: np.ndarray) -> np.ndarray:
    raw = activations.astype(np.float64)
    return (raw - raw.mean(axis=0)) / scale_of(raw.std(axis=0))


def objective(head: LinearHead, activations: np.ndarray, labels: np.ndarray) -> float:
    """Scikit-learn's objective divided by C and the number of rows, of a head for three classes or more."""
    scale = scale_of(activations.std(axis=0, dtype=np.float64))
    loss = -np.log(head.probabilities(activations)[np.arange(len(labels)), labels]).mean()
    return loss + 0.5 * np.square(head.kernel * scale[:, None]).sum() / (head.inverse_penalty * len(labels))


@pytest.mark.parametrize(("n", "d", "k"), [(80, 200, 3), (300, 40, 5), (120, 60, 2), (60, 300, 2)])
@pytest.mark.parametrize("inverse_penalty", [0.01, 1.0])
def test_logits_are_those_of_the_scikit_learn_pipeline(n: int, d: int, k: int, inverse_penalty: float) -> None:
    activations, labels = examples(n, d, k)
    head = fit_head(activations, labels, k, HeadSpec(inverse_penalty=inverse_penalty))
    raw = activations.astype(np.float64)
    centre, scale = raw.mean(axis=0), scale_of(raw.std(axis=0))
    standardiser = FunctionTransformer(lambda rows: (rows - centre) / scale)
    regression = LogisticRegression(C=inverse_penalty, tol=1e-10, max_iter=20_000)
    expected = make_pipeline(standardiser, regression).fit(raw, labels).decision_function(raw)
    found = head.logits(activations)
    if k == 2:
        found = found[:, 1] - found[:, 0]
    else:
        found = found - found.mean(axis=1, keepdims=True)
        expected = expected - expected.mean(axis=1, keepdims=True)
    # float32 arithmetic on activations of up to some tens of standard deviations.
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    assert head.kernel.dtype == head.bias.dtype == np.float32
    assert (head.kernel.shape, head.bias.shape, head.solver, head.trials) == ((d, k), (k,), "lbfgs", ())


@pytest.mark.parametrize("inverse_penalty", [0.003, 0.3, 30.0])
def test_the_objective_is_as_low_as_that_of_scikit_learn(inverse_penalty: float) -> None:
    activations, labels = examples(250, 300, 4)
    head = fit_head(activations, labels, 4, HeadSpec(inverse_penalty=inverse_penalty))
    features = standardise(activations)
    reference = LogisticRegression(C=inverse_penalty, tol=1e-8, max_iter=20_000).fit(features, labels)
    loss = -reference.predict_log_proba(features)[np.arange(250), labels].mean()
    expected = loss + 0.5 * np.square(reference.coef_).sum() / (inverse_penalty * 250)
    assert objective(head, activations, labels) == pytest.approx(expected, rel=1e-4)


def test_the_chosen_penalty_has_the_lowest_log_loss_of_a_cross_validation_by_scikit_learn() -> None:
    activations, labels = examples(150, 30, 4)
    head = fit_head(activations, labels, 4, seed=3)
    features, fold = standardise(activations), folds_of(labels, 5, seed=3)
    losses = []
    for trial in head.trials:
        loss = 0.0
        for number in range(5):
            held = fold == number
            model = LogisticRegression(C=trial.inverse_penalty, tol=1e-8, max_iter=5000).fit(
                features[~held], labels[~held]
            )
            loss -= model.predict_log_proba(features[held])[np.arange(held.sum()), labels[held]].sum() / 150
        losses.append(loss)
    # Cross-validation stops early, in float32.
    np.testing.assert_allclose([trial.log_loss for trial in head.trials], losses, rtol=0.01)
    assert head.inverse_penalty == head.trials[int(np.argmin(losses))].inverse_penalty
    assert head.chosen is not None
    assert 0.5 < head.chosen.accuracy < 1


def test_noise_gets_a_strong_penalty_and_separable_classes_a_weak_one() -> None:
    draw = np.random.default_rng(0)
    activations = draw.standard_normal((200, 50)).astype(np.float32)
    noise = fit_head(activations, draw.integers(0, 3, 200), 3)
    clear = fit_head(activations, (activations[:, 0] > 0).astype(int), 2)
    assert noise.inverse_penalty <= 1e-2
    assert clear.inverse_penalty >= 10 * noise.inverse_penalty


def test_one_seed_gives_one_head() -> None:
    activations, labels = examples(150, 40, 3)
    first, second = (fit_head(activations, labels, 3, seed=1) for _ in range(2))
    assert first.kernel.tobytes() == second.kernel.tobytes()
    assert first.bias.tobytes() == second.bias.tobytes()
    assert first.trials == second.trials


def test_an_absent_class_is_finite_and_never_answered() -> None:
    activations, labels = examples(90, 20, 3)
    labels = np.array([0, 2, 3])[labels]
    head = fit_head(activations, labels, 5)
    logits = head.logits(activations)
    assert np.isfinite(head.bias).all()
    assert (logits[:, [1, 4]].max(axis=1) < logits[:, [0, 2, 3]].min(axis=1) - 5).all()
    assert not head.kernel[:, [1, 4]].any()
    np.testing.assert_array_equal(
        head.kernel[:, [0, 2, 3]], fit_head(activations, np.unique(labels, return_inverse=True)[1], 3).kernel
    )


def test_a_single_class_and_a_single_example() -> None:
    activations, _ = examples(8, 5, 2)
    for rows in (activations, activations[:1]):
        head = fit_head(rows, np.ones(len(rows), int), 3)
        assert (head.logits(rows).argmax(axis=1) == 1).all()
        assert np.isfinite(head.logits(rows)).all()


def test_one_example_per_class_takes_the_default_penalty() -> None:
    activations, _ = examples(4, 30, 4)
    head = fit_head(activations, np.arange(4), 4)
    assert (head.inverse_penalty, head.trials) == (0.1, ())
    np.testing.assert_array_equal(head.logits(activations).argmax(axis=1), np.arange(4))


def test_a_class_with_fewer_members_than_folds_is_still_validated() -> None:
    activations, labels = examples(60, 10, 2)
    labels[:3] = 2
    labels[3] = 3
    fold = folds_of(labels, 5, seed=0)
    assert len(set(fold[:3])) == 3
    assert fold[3] == -1
    assert len(fit_head(activations, labels, 4).trials) > 2


def test_folds_are_stratified_and_keep_views_together() -> None:
    labels = np.repeat([0, 1, 2], (50, 30, 20))
    groups = np.tile(np.arange(100), 3)
    fold = folds_of(np.tile(labels, 3), 5, seed=0, groups=groups)
    np.testing.assert_array_equal(fold[:100], fold[100:200])
    np.testing.assert_array_equal(fold[:100], fold[200:])
    table = np.array([np.bincount(fold[:100][labels == label], minlength=5) for label in range(3)])
    np.testing.assert_array_equal(table, np.repeat([[10], [6], [4]], 5, axis=1))


def test_copies_of_an_example_do_not_leak_when_grouped() -> None:
    draw = np.random.default_rng(0)
    activations, labels = draw.standard_normal((60, 100)).astype(np.float32), draw.integers(0, 2, 60)
    twice, both = np.concatenate([activations, activations]), np.concatenate([labels, labels])
    leaking = fit_head(twice, both, 2)
    grouped = fit_head(twice, both, 2, groups=np.tile(np.arange(60), 2))
    assert leaking.chosen is not None
    assert grouped.chosen is not None
    assert leaking.chosen.accuracy > 0.9
    assert grouped.chosen.accuracy < 0.75


def test_dead_features_and_float16_are_taken() -> None:
    activations, labels = examples(100, 30, 3)
    activations[:, 7] = 4.0
    head = fit_head(activations.astype(np.float16), labels, 3)
    assert np.isfinite(head.kernel).all()
    # The rotation's rounding, in place of an exact zero.
    assert np.abs(head.kernel[7]).max() < 1e-12 * np.abs(head.kernel).max()


def test_more_examples_than_the_selection_uses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regraft.training.heads.fit.SELECTION_EXAMPLES", 100)
    activations, labels = examples(400, 20, 3)
    assert np.mean(fit_head(activations, labels, 3).logits(activations).argmax(axis=1) == labels) > 0.5


def test_many_classes_use_fewer_folds() -> None:
    activations, labels = examples(600, 30, 150)
    head = fit_head(activations, labels, 150)
    assert len(head.trials) > 2


@pytest.mark.parametrize(("k", "inverse_penalty"), [(5, 0.01), (2, 0.1)])
def test_streaming_reaches_the_optimum_of_20000_examples(k: int, inverse_penalty: float) -> None:
    activations, labels = examples(20_000, 64, k)
    given = HeadSpec(inverse_penalty=inverse_penalty)
    whole = fit_head(activations, labels, k, given)
    streamed = fit_head(activations, labels, k, HeadSpec(inverse_penalty=inverse_penalty, solver="minibatch"))
    assert (whole.solver, streamed.solver) == ("lbfgs", "minibatch")
    assert streamed.iterations <= 30
    # The stated gap is 1e-6 nats; objective() computes logits in float32.
    if k > 2:
        assert objective(streamed, activations, labels) == pytest.approx(
            objective(whole, activations, labels), abs=3e-6
        )
    right = [np.mean(head.logits(activations).argmax(axis=1) == labels) for head in (whole, streamed)]
    assert right[1] == pytest.approx(right[0], abs=2e-4)
    np.testing.assert_allclose(streamed.probabilities(activations), whole.probabilities(activations), atol=5e-3)


def test_streaming_is_chosen_above_its_bound_and_never_holds_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regraft.training.heads.fit.MINIBATCH_ABOVE", 500)
    monkeypatch.setattr("regraft.training.heads.fit.BATCH", 64)
    monkeypatch.setattr("regraft.training.heads.streaming.SELECTION_EXAMPLES", 200)
    activations, labels = examples(900, 20, 4)
    labels[labels == 1] = 5
    head = fit_head(activations, labels, 6)
    assert head.solver == "minibatch"
    assert head.trials
    whole = fit_head(activations, labels, 6, HeadSpec(inverse_penalty=head.inverse_penalty, solver="lbfgs"))
    np.testing.assert_allclose(head.probabilities(activations), whole.probabilities(activations), atol=0.01)
    assert (head.logits(activations).argmax(axis=1) != 1).all()


def test_streaming_does_not_depend_on_the_order_of_examples_given_the_penalty() -> None:
    activations, labels = examples(3000, 20, 3)
    shuffled = np.random.default_rng(0).permutation(3000)
    spec = HeadSpec(inverse_penalty=0.1)
    one = fit_streamed(lambda: [(activations, labels)], 3, spec)
    parts = np.array_split(shuffled, 7)
    other = fit_streamed(lambda: ((activations[part], labels[part]) for part in parts), 3, spec)
    np.testing.assert_allclose(one.probabilities(activations), other.probabilities(activations), atol=5e-3)


def test_wide_activations_are_streamed_without_rotation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("regraft.training.heads.basis.ROTATE_UP_TO", 10)
    activations, labels = examples(500, 30, 3)
    spec = HeadSpec(inverse_penalty=0.1)
    rotated_not = fit_head(activations, labels, 3, spec)
    streamed = fit_head(activations, labels, 3, HeadSpec(inverse_penalty=0.1, solver="minibatch"))
    monkeypatch.undo()
    rotated = fit_head(activations, labels, 3, spec)
    assert rotated.iterations < rotated_not.iterations
    np.testing.assert_allclose(rotated.kernel, rotated_not.kernel, atol=2e-4 * np.abs(rotated.kernel).max())
    np.testing.assert_allclose(streamed.probabilities(activations), rotated.probabilities(activations), atol=0.01)


@pytest.mark.parametrize(
    ("activations", "labels", "spec", "error", "message"),
    [
        (np.ones((3, 2)), np.zeros(2, int), HeadSpec(), DataError, r"found \(3, 2\) and \(2,\)"),
        (np.ones((0, 2)), np.zeros(0, int), HeadSpec(), DataError, "at least one example"),
        (np.ones((2, 2)), np.array([0, 7]), HeadSpec(), DataError, "labels from 0 to 1, found 0 to 7"),
        (np.full((2, 2), np.nan), np.array([0, 1]), HeadSpec(), DataError, "NaN or infinity in 2 of 2 features"),
        (np.ones((2, 2)), np.array([0, 1]), HeadSpec(folds=1), RequestError, "at least 2 folds.*found 1"),
        (np.ones((2, 2)), np.array([0, 1]), HeadSpec(inverse_penalty=0.0), RequestError, "positive number.*found 0.0"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    activations: np.ndarray, labels: np.ndarray, spec: HeadSpec, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        fit_head(activations, labels, 2, spec)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ((np.ones((2, 3), np.float32), np.array([0, 9])), "labels from 0 to 1, found 0 to 9"),
        ((np.ones((2, 3), np.float32), np.array([0])), r"batches.*found \(2, 3\) and \(1,\)"),
        ((np.full((2, 3), np.inf, np.float32), np.array([0, 1])), "NaN or infinity in 3 of 3 features"),
    ],
)
def test_batches_that_cannot_be_fitted_are_refused(batch: tuple[np.ndarray, np.ndarray], message: str) -> None:
    with pytest.raises(DataError, match=message):
        fit_streamed(lambda: [batch], 2)


def test_an_empty_stream_is_refused() -> None:
    with pytest.raises(DataError, match="at least one example to fit the head on, found none"):
        fit_streamed(list, 2)

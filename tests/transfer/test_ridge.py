"""Ridge regression against its normal equations, scikit-learn, and leaving examples out by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.linear_model import Ridge

from jaxvision.data.folds import rows_of, stratified_folds
from jaxvision.data.sources import digits
from jaxvision.transfer.ridge import decompose, fit_ridge, search_ridge, solve, targets_of

DIGITS = digits()["train"]
X = np.stack([DIGITS[i]["image"].ravel() for i in range(500)]).astype(np.float32) / 16
Y = DIGITS.labels[:500]


@pytest.mark.parametrize("n", [400, 40], ids=["tall", "wide"])
@pytest.mark.parametrize("penalty", [1e-3, 1.0, 100.0])
def test_the_weights_are_those_of_scikit_learn(n, penalty):
    mask = np.arange(n) % 5 != 2
    with jax.enable_x64(True):
        x, targets = X[:n].astype(np.float64), targets_of(Y[:n], 10).astype(jnp.float64)
        parts = decompose(jnp.asarray(x), targets, jnp.asarray(mask))
        ours = jax.device_get(solve(parts, penalty))
    seen = x[mask] - x[mask].mean(0)
    scale = np.trace(seen.T @ seen) / 64
    theirs = Ridge(alpha=penalty * scale).fit(x[mask], np.asarray(targets)[mask])
    np.testing.assert_allclose(ours.weights, theirs.coef_.T, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.bias, theirs.intercept_, rtol=1e-6)


def test_a_classifier_of_all_examples_is_that_of_scikit_learn():
    ours = fit_ridge(X, Y, 10, 0.1)
    seen = X - X.mean(0)
    theirs = Ridge(alpha=0.1 * np.sum(seen**2) / 64).fit(X, np.asarray(targets_of(Y, 10)))
    np.testing.assert_allclose(ours(X), theirs.predict(X), atol=1e-4)
    assert np.mean(jnp.argmax(fit_ridge(X, Y, 10)(X), axis=1) == Y) > 0.9


def test_the_accuracies_are_those_of_leaving_folds_out_by_hand():
    folds, penalties = stratified_folds(Y, 3, seed=0), (1e-3, 10.0, 0.1)
    found = search_ridge(X, Y, 10, folds, penalties)
    for i, (train, validation) in enumerate(zip(*folds, strict=True)):
        train, validation = rows_of(train), rows_of(validation)
        parts = decompose(
            jnp.asarray(X[train]), targets_of(Y[train], 10), jnp.ones(len(train), bool)
        )
        for j, penalty in enumerate(penalties):
            predicted = jnp.argmax(solve(parts, penalty)(X[validation]), axis=1)
            accuracy = np.mean(predicted == Y[validation])
            np.testing.assert_allclose(found.accuracies[i, j], accuracy, atol=1.1 / len(validation))
    assert found.penalty == pytest.approx(penalties[int(found.accuracies.mean(0).argmax())])
    whole = decompose(jnp.asarray(X), targets_of(Y, 10), jnp.ones(500, bool))
    np.testing.assert_allclose(
        found.classifier(X), solve(whole, found.penalty)(X), rtol=1e-4, atol=1e-4
    )
    assert np.mean(jnp.argmax(found.classifier(X), axis=1) == Y) > 0.93


def test_of_equal_penalties_the_largest_and_whatever_the_unit():
    easy = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    folds = stratified_folds(np.arange(40) % 4, 2, seed=0)
    for unit in (1e-3, 1e3):
        found = search_ridge(unit * easy, np.arange(40) % 4, 4, folds, (0.01, 1.0, 0.1))
        assert found.penalty == 1.0 and np.all(found.accuracies == 1.0)


def test_bad_input_is_named():
    folds = stratified_folds(Y, 3, seed=0)
    for penalties in ((), (0.0, 1.0), (-1.0,)):
        with pytest.raises(ValueError, match="`penalties` must be positive, at least one"):
            search_ridge(X, Y, 10, folds, penalties)
    broken = X.copy()
    broken[3, 5] = np.nan
    with pytest.raises(ValueError, match="`features` must be finite"):
        search_ridge(broken, Y, 10, folds)
    with pytest.raises(ValueError, match=r"`labels` must be in \[0, 9\), .*got 0 to 9"):
        search_ridge(X, Y, 9, folds)
    with pytest.raises(ValueError, match=r"`folds` must be of these 100 examples, got row 499"):
        search_ridge(X[:100], Y[:100], 10, folds)

"""Ridge regression as a classifier, for all penalties at once, from one decomposition.

Hoerl & Kennard, "Ridge Regression", Technometrics 12(1), 1970. With features X [n, d] and targets
Y [n, k], both centred, the weights that minimise |X W - Y|^2 + p |W|^2 are

    W(p) = V diag(1 / (e + p)) V' X'Y       where X'X = V diag(e) V', if n > d
    W(p) = X' U diag(1 / (e + p)) U' Y      where XX' = U diag(e) U', else

so all that depends on the penalty p is a diagonal, between two matrices that do not. For a
classifier Y is +1 for the class of an example and -1 for the others, and the largest prediction
wins (Rifkin, Yeo & Poggio, "Regularized Least-Squares Classification", 2003).

Penalties are stated as multiples of |X|^2 / d, the mean of the d eigenvalues of X'X: so they depend
neither on how many examples there are nor on the unit of the features.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Bool, Float, Int

from jaxvision.data.folds import FILLING, Folds
from jaxvision.hyperparameters import Scalar

product = partial(jnp.matmul, precision="highest")  # an accelerator would round the factors
PENALTIES = tuple(np.geomspace(1e-4, 1e2, 20).tolist())


class Decomposition(NamedTuple):
    """What the solutions for all penalties are made of; r = min(n, d)."""

    mean: Float[Array, " d"]  # of the features
    target_mean: Float[Array, " k"]
    basis: Float[Array, "d r"]  # V or X'U
    eigenvalues: Float[Array, " r"]  # e
    projected: Float[Array, "r k"]  # V'X'Y or U'Y

    def shrunk(self, penalty: Scalar) -> Float[Array, "r k"]:
        """The weights in the basis, for one penalty, a multiple of |X|^2 / d."""
        unit = jnp.sum(self.eigenvalues) / len(self.basis)
        return self.projected / (self.eigenvalues + penalty * unit)[:, None]


class Ridge(NamedTuple):
    """A linear function: x W + b."""

    weights: Float[Array, "d k"]
    bias: Float[Array, " k"]

    def __call__(self, features: Float[Array | np.ndarray, "n d"]) -> Float[Array, "n k"]:
        return jnp.asarray(features) @ self.weights + self.bias[None]


class RidgeSearch(NamedTuple):
    """A classifier, and how its penalty was chosen.

    Attributes:
        classifier: from all examples, with the chosen penalty.
        penalty: of those with the best mean accuracy, the largest.
        accuracies: [folds, penalties], on the examples that each fold leaves out.
    """

    classifier: Ridge
    penalty: float
    accuracies: Float[np.ndarray, "folds p"]


def targets_of(labels: Int[Array | np.ndarray, " n"], classes: int) -> Float[Array, "n classes"]:
    """+1 for the class of an example, -1 for the others."""
    return 2.0 * jax.nn.one_hot(labels, classes) - 1.0


def decompose(
    features: Float[Array, "n d"], targets: Float[Array, "n k"], mask: Bool[Array, " n"]
) -> Decomposition:
    """The decomposition of the examples with a `mask` of True."""
    weight = mask[:, None] / jnp.sum(mask)
    mean, target_mean = jnp.sum(weight * features, axis=0), jnp.sum(weight * targets, axis=0)
    x = jnp.where(mask[:, None], features - mean[None], 0.0)
    y = jnp.where(mask[:, None], targets - target_mean[None], 0.0)
    if x.shape[0] > x.shape[1]:
        eigenvalues, basis = jnp.linalg.eigh(product(x.T, x))
        projected = product(basis.T, product(x.T, y))
    else:
        eigenvalues, vectors = jnp.linalg.eigh(product(x, x.T))
        basis, projected = product(x.T, vectors), product(vectors.T, y)
    return Decomposition(mean, target_mean, basis, jnp.maximum(eigenvalues, 0.0), projected)


def solve(parts: Decomposition, penalty: Scalar) -> Ridge:
    """The solution for one penalty, a multiple of |X|^2 / d."""
    weights = parts.basis @ parts.shrunk(penalty)
    return Ridge(weights, parts.target_mean - parts.mean @ weights)


@partial(jax.jit, static_argnames="classes")
def fit_ridge(
    features: Float[Array | np.ndarray, "n d"],
    labels: Int[Array | np.ndarray, " n"],
    classes: int,
    penalty: Scalar = 1.0,
) -> Ridge:
    """The classifier from all examples.

    Args:
        features: [n, d].
        labels: 0 to classes - 1.
        classes: how many there are.
        penalty: a multiple of |X|^2 / d.
    """
    targets = targets_of(labels, classes)
    return solve(decompose(jnp.asarray(features), targets, jnp.ones(len(labels), bool)), penalty)


def search_ridge(
    features: Float[Array | np.ndarray, "n d"],
    labels: Int[Array | np.ndarray, " n"],
    classes: int,
    folds: Folds,
    penalties: tuple[float, ...] = PENALTIES,
) -> RidgeSearch:
    """Chooses the penalty by cross-validation, and solves with it for all examples.

    Each fold is decomposed once, for all penalties.

    Args:
        folds: of these examples (`data.folds.stratified_folds`).
        penalties: multiples of |X|^2 / d, positive.

    Raises:
        ValueError: if there is no penalty or one is not positive, a feature is not finite, a label
            is none of the classes, or the folds are of more examples.
    """
    if not penalties or not min(penalties) > 0:
        raise ValueError(f"`penalties` must be positive, at least one, got {penalties}.")
    features, labels = jnp.asarray(features, jnp.float32), jnp.asarray(labels)
    if not jnp.all(jnp.isfinite(features)):
        raise ValueError("`features` must be finite, got NaN or infinity: look at their network.")
    if not 0 <= jnp.min(labels) <= jnp.max(labels) < classes:
        raise ValueError(
            f"`labels` must be in [0, {classes}), the `classes`, got {jnp.min(labels)} to "
            f"{jnp.max(labels)}."
        )
    largest = max(int(np.max(rows)) for rows in folds)
    if largest >= len(features):
        raise ValueError(
            f"`folds` must be of these {len(features)} examples, got row {largest}: make them of "
            "the same labels."
        )
    ordered = jnp.asarray(sorted(penalties, reverse=True))  # of equals, argmax takes the first
    accuracies = np.asarray(_cross_validate(features, labels, classes, tuple(folds), ordered))
    best = int(np.argmax(accuracies.mean(axis=0)))
    order = np.argsort(np.argsort([-p for p in penalties], kind="stable"))
    penalty = float(ordered[best])
    classifier = fit_ridge(features, labels, classes, penalty)
    return RidgeSearch(classifier, penalty, accuracies[:, order])


@partial(jax.jit, static_argnames="classes")
def _cross_validate(features, labels, classes, folds, penalties):
    targets = targets_of(labels, classes)

    def of_fold(rows):
        train, validation = rows
        parts = decompose(features[train], targets[train], train != FILLING)
        seen = (features[validation] - parts.mean[None]) @ parts.basis
        real = validation != FILLING

        def accuracy(penalty):
            predicted = seen @ parts.shrunk(penalty) + parts.target_mean[None]
            right = jnp.argmax(predicted, axis=1) == labels[validation]
            return jnp.sum(right & real) / jnp.sum(real)

        return lax.map(accuracy, penalties)

    return lax.map(of_fold, folds)

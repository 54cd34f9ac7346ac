"""Classifiers on features, each with its one setting chosen by cross-validation.

ridge                  our own: all penalties from one decomposition (`transfer.ridge`)
logistic regression    scikit-learn's, by L-BFGS; C is the inverse of the L2 penalty
linear SVM             scikit-learn's, by LIBLINEAR; C likewise
nearest neighbours     scikit-learn's; the labels of the k nearest, by Euclidean distance

For features of unit length, as Sharif Razavian et al. have them (2014, section 3.1), the nearest by
distance are the nearest by angle.
"""

import warnings
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import LinearSVC

from jaxvision.data.folds import Folds, rows_of
from jaxvision.transfer.ridge import search_ridge

Classify = Callable[[Float[np.ndarray, "n d"]], Int[np.ndarray, " n"]]
STRENGTHS = tuple(np.geomspace(1e-3, 1e3, 7).tolist())  # of C
NEIGHBOURS = (1, 3, 5, 10, 20)
STEPS = 1000  # of L-BFGS, at most


class Learned(NamedTuple):
    """A classifier, and how its setting was chosen.

    Attributes:
        classify: features [n, d] -> labels [n].
        setting: what was chosen, as "C = 10".
        accuracy: the mean over the folds, of the examples that each leaves out.
    """

    classify: Classify
    setting: str
    accuracy: float


def learn_ridge(
    features: Float[np.ndarray, "n d"], labels: Int[np.ndarray, " n"], classes: int, folds: Folds
) -> Learned:
    """A ridge classifier, its penalty of those of `search_ridge`."""
    found = search_ridge(features, labels, classes, folds)

    def classify(features: Float[np.ndarray, "n d"]) -> Int[np.ndarray, " n"]:
        return np.asarray(found.classifier(features)).argmax(axis=1)

    best = found.accuracies.mean(axis=0).max()
    return Learned(classify, f"penalty = {found.penalty:.2g}", float(best))


def _search(
    estimator: object,
    name: str,
    values: tuple[float, ...] | tuple[int, ...],
    features: Float[np.ndarray, "n d"],
    labels: Int[np.ndarray, " n"],
    classes: int,
    folds: Folds,
) -> Learned:
    pairs = [(rows_of(a), rows_of(b)) for a, b in zip(folds.train, folds.validation, strict=True)]
    smallest = min(len(train) for train, _ in pairs)
    grid = [value for value in values if name != "n_neighbors" or value <= smallest]
    search = GridSearchCV(estimator, {name: grid}, cv=pairs, scoring="accuracy")
    with warnings.catch_warnings():
        # One that has not converged is judged by the folds like any other.
        warnings.simplefilter("ignore", ConvergenceWarning)
        search.fit(features, labels)
    ((_, value),) = search.best_params_.items()
    shown = {"C": "C", "n_neighbors": "k"}[name]
    return Learned(search.predict, f"{shown} = {value:g}", float(search.best_score_))


CLASSIFIERS: dict[str, Callable[..., Learned]] = {
    "ridge": learn_ridge,
    "logistic regression": partial(_search, LogisticRegression(max_iter=STEPS), "C", STRENGTHS),
    "linear SVM": partial(_search, LinearSVC(random_state=0, max_iter=STEPS), "C", STRENGTHS),
    "nearest neighbours": partial(_search, KNeighborsClassifier(), "n_neighbors", NEIGHBOURS),
}
"""(features [n, d], labels [n], classes, folds of them) -> Learned."""

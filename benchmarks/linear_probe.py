"""A ridge classifier on features: 20 penalties, 5 folds. Ours, and scikit-learn's, side by side.

    python -m benchmarks.linear_probe
    python -m benchmarks.linear_probe --examples 50000 --width 2048

scikit-learn's `RidgeClassifierCV` with `cv` solves anew for every penalty and fold; ours decomposes
once a fold. "first" has the compilation, the others are medians. Features are drawn, for only their
number matters.
"""

import statistics
import time

import jax
import numpy as np
import tyro
from sklearn.linear_model import RidgeClassifierCV

from jaxvision.data.folds import rows_of, stratified_folds
from jaxvision.transfer import search_ridge
from jaxvision.transfer.ridge import PENALTIES

CLASSES = 10


def main(examples: int = 10_000, width: int = 512, rounds: int = 3) -> None:
    """Times both."""
    random = np.random.default_rng(0)
    labels = random.integers(0, CLASSES, examples)
    features = random.normal(size=(examples, width)).astype(np.float32)
    features[:, :CLASSES] += 2 * np.eye(CLASSES, dtype=np.float32)[labels]
    folds = stratified_folds(labels, 5, seed=0)
    pairs = [(rows_of(a), rows_of(b)) for a, b in zip(*folds, strict=True)]
    # Ours are multiples of the mean eigenvalue of the centred features' Gram matrix.
    centred = features - features.mean(axis=0)
    alphas = np.array(PENALTIES) * float(np.square(centred).sum()) / width

    def ours() -> float:
        return float(search_ridge(features, labels, CLASSES, folds).accuracies.mean(axis=0).max())

    def theirs() -> float:
        return float(RidgeClassifierCV(alphas, cv=pairs).fit(features, labels).best_score_)

    seconds: dict[str, list[float]] = {"ours": [], "scikit-learn": []}
    for _ in range(rounds + 1):
        for name, search in (("ours", ours), ("scikit-learn", theirs)):
            begun = time.perf_counter()
            accuracy = search()
            seconds[name].append(time.perf_counter() - begun)
            print(f"{name}: {seconds[name][-1]:.2f} s, {100 * accuracy:.2f} % over the folds")
    print(f"jax {jax.__version__} on {jax.devices()[0].device_kind}; {examples} x {width}")
    for name, times in seconds.items():
        print(f"{name}: first {times[0]:.2f} s, then {statistics.median(times[1:]):.2f} s")


if __name__ == "__main__":
    tyro.cli(main, description=__doc__)

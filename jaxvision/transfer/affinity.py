"""Which task helps which: gains over learning from scratch, and affinities of sources to targets.

Zamir, Sax, Shen, Guibas, Malik & Savarese, "Taskonomy: Disentangling Task Transfer Learning", CVPR
2018, https://arxiv.org/abs/1804.08328. What was learned of every source task s is learned on from
in every target task t. Losses of different targets cannot be compared, so section 3.3 keeps only
their order (the Analytic Hierarchy Process: Saaty, J. of Mathematical Psychology 15(3), 1977). For
each target, on held-out examples,

    w_ij  = the share of examples on which source i leaves a smaller loss than source j
    w_ij  clipped to [0.001, 0.999], "a form of Laplace smoothing"
    w'_ij = w_ij / w_ji     how many times more often i is better than j
    W' v  = e v             with the largest e; v, divided by its sum, has the affinities

If some v explains all duels, w'_ij = v_i / v_j, it is this v. The paper's task similarity tree
clusters the sources by their affinities to all targets: by what they are good for.

Ours: examples on which two sources are equal count half for each, the paper's for neither. And the
paper states a gain as the share of examples on which transfer is better than scratch. Few examples
are an accident, so ours is a difference of accuracies with its interval, over m paired draws g of
examples and initial weights:

    mean(g) +- t s(g) / sqrt(m)

with Student's t for m - 1 degrees of freedom. A transfer is negative if all of it lies below zero.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from scipy.cluster.hierarchy import linkage

from jaxvision.transfer.few_shot import margin_of_mean

LEAST = 0.001  # what a share is clipped to; so a source is at most 999 times as good as another


class NegativeTransfer(NamedTuple):
    """A source that made learning a target worse; `str` makes a sentence of it.

    Attributes:
        gain: the mean difference to scratch, in [-1, 0).
        margin: half the width of its interval, less than -gain.
    """

    source: str
    target: str
    gain: float
    margin: float

    def __str__(self) -> str:
        return (
            f"after “{self.source}”, “{self.target}” is {-100 * self.gain:.1f} ± "
            f"{100 * self.margin:.1f} points worse than from scratch"
        )


class Affinity(NamedTuple):
    """What each source is worth for each target; `task_affinity` makes it.

    Attributes:
        gains: accuracy after the source less accuracy from scratch, of each draw, in [-1, 1]; NaN
            for a pair that was not tried.
    """

    sources: tuple[str, ...]
    targets: tuple[str, ...]
    gains: Float[np.ndarray, "s t draws"]

    @property
    def mean(self) -> Float[np.ndarray, "s t"]:
        return self.gains.mean(axis=2)

    def margin(self, confidence: float = 0.95) -> Float[np.ndarray, "s t"]:
        """Half the width of the mean's interval; NaN for a single draw.

        Raises:
            ValueError: if `confidence` is not between 0 and 1.
        """
        return margin_of_mean(self.gains, confidence)

    def verdicts(self, confidence: float = 0.95) -> Shaped[np.ndarray, "s t"]:
        """For each pair "negative" or "positive", or "none" if its interval does not tell.

        Each pair is judged by itself: at 95 %, one of 40 that do nothing is called negative. For
        95 % that none of n is, take a `confidence` of 1 - 0.05 / n (Bonferroni).
        """
        mean, margin = self.mean, self.margin(confidence)  # a comparison with NaN is False
        positive = np.where(mean - margin > 0, "positive", "none")
        return np.where(mean + margin < 0, "negative", positive)

    def negatives(self, confidence: float = 0.95) -> list[NegativeTransfer]:
        """The negative transfers, the worst first.

        A target after itself is not among them, though it has a verdict: where this is worse than
        from scratch, the way of learning on is to blame, and no other task.
        """
        mean, margin = self.mean, self.margin(confidence)
        found = [
            NegativeTransfer(
                self.sources[s], self.targets[t], float(mean[s, t]), float(margin[s, t])
            )
            for s, t in np.argwhere(self.verdicts(confidence) == "negative")
            if self.sources[s] != self.targets[t]
        ]
        return sorted(found, key=lambda transfer: transfer.gain)


def task_affinity(
    sources: Sequence[str],
    targets: Sequence[str],
    transferred: Float[np.ndarray, "_s _t _draws"],
    scratch: Float[np.ndarray, "_t _draws"],
) -> Affinity:
    """The gains of all pairs. A task may be source and target, and a pair of itself.

    Args:
        sources: the names of the tasks that were learned first.
        targets: the names of the tasks that were learned next.
        transferred: accuracies in each target after each source, in [0, 1]; all draws of a pair
            NaN: it was not tried.
        scratch: accuracies from scratch, each from the same examples as the draw at its place.

    Raises:
        ValueError: if a name is there twice or none, the shapes are not those of the names and of
            each other, or an accuracy is not in [0, 1].
    """
    for argument, names in (("sources", sources), ("targets", targets)):
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"`{argument}` must be different names, at least one, got {list(names)}: call each "
                "task by its own."
            )
    draws = scratch.shape[-1]
    expected = (len(sources), len(targets), draws)
    if transferred.shape != expected or len(scratch) != len(targets) or not draws:
        raise ValueError(
            "`transferred` must be [sources, targets, draws] and `scratch` [targets, draws], for "
            f"{expected[0]} sources and {expected[1]} targets, got {list(transferred.shape)} and "
            f"{list(scratch.shape)}: learn each target from scratch with the same draws."
        )
    missing = np.isnan(transferred)
    if (part := np.argwhere(missing.any(axis=2) & ~missing.all(axis=2))).size:
        s, t = part[0]
        raise ValueError(
            f"`transferred` must have all draws of a pair or none, got {missing[s, t].sum()} of "
            f"{draws} NaN for {sources[s]!r} to {targets[t]!r}: repeat them, or leave the pair out."
        )
    for argument, values in (("transferred", transferred[~missing]), ("scratch", scratch)):
        wrong = values[~((values >= 0) & (values <= 1))]
        if wrong.size:
            raise ValueError(
                f"`{argument}` must be accuracies in [0, 1], got {wrong[0]}: divide per cent by "
                "100, and repeat what has diverged."
            )
    return Affinity(tuple(sources), tuple(targets), transferred - scratch[None])


def ordinal_affinity(losses: Float[np.ndarray, "s t n"]) -> Float[np.ndarray, "s t"]:
    """How good the sources are for each target, by the order of their losses only (section 3.3).

    Any loss that grows with the error gives the same, so targets can be compared that have
    different ones. An affinity is relative to the other sources: 1 / s is average, and another
    source changes all.

    Args:
        losses: in target t after source s on held-out example n. For targets with different
            numbers of examples, ask for one at a time, [s, 1, n].

    Returns:
        Affinities, positive, that sum to 1 over the sources; larger is better.

    Raises:
        ValueError: if there are fewer than two sources or no example, or a loss is NaN.
    """
    if len(losses) < 2 or not losses.shape[2]:
        raise ValueError(
            "`losses` must be [sources, targets, examples] of two sources and an example at least, "
            f"got {list(losses.shape)}: a tournament needs two who play."
        )
    if (missing := np.argwhere(np.isnan(losses))).size:
        s, t, n = missing[0]
        raise ValueError(
            f"`losses` must be numbers, got NaN for source {s} in target {t}, example {n}: ask for "
            "each target with only the sources that were tried on it."
        )
    columns = [_principal_eigenvector(_tournament(losses[:, t])) for t in range(losses.shape[1])]
    return np.stack(columns, axis=1) if columns else np.empty((len(losses), 0))


def _tournament(losses: Float[np.ndarray, "s n"]) -> Float[np.ndarray, "s s"]:
    """w'_ij: how many times more often source i is better than j."""
    first, second = losses[:, None], losses[None]
    shares = np.mean((first < second) + 0.5 * (first == second), axis=2)
    shares = np.clip(shares, LEAST, 1 - LEAST)
    return shares / shares.T


def _principal_eigenvector(ratios: Float[np.ndarray, "s s"]) -> Float[np.ndarray, " s"]:
    eigenvalues, vectors = np.linalg.eig(ratios)
    # Of a positive matrix the largest eigenvalue is real, and all of its vector has one sign.
    vector = np.abs(vectors[:, np.argmax(eigenvalues.real)])
    return vector / vector.sum()


def task_tree(affinities: Float[np.ndarray, "s t"]) -> Float[np.ndarray, "merges 4"]:
    """Clusters the sources by their rows: two that are good for the same targets are close.

    The paper's figure names neither distance nor linkage. Ours is the Euclidean distance, because
    every target's affinities have one scale, and because correlation would call a source that
    helps all targets a little and one that helps them a lot the same; and average linkage, which
    merges at heights that never decrease. Of the orders that a tree allows, the leaves have the one
    in which neighbours are closest. A source that is a target, too, is mostly the best for itself,
    and so is far from the others in its own column.

    Args:
        affinities: of `ordinal_affinity`; or mean gains.

    Returns:
        SciPy's linkage matrix, for `scipy.cluster.hierarchy` and `plot_affinity`.

    Raises:
        ValueError: if there are fewer than two sources or no target, or an affinity is not finite.
    """
    if len(affinities) < 2 or not affinities.shape[1]:
        raise ValueError(
            "`affinities` must be [sources, targets] of two sources and a target at least, got "
            f"{list(affinities.shape)}: there is nothing to cluster."
        )
    if not np.isfinite(affinities).all():
        s, t = np.argwhere(~np.isfinite(affinities))[0]
        raise ValueError(
            f"`affinities` must be finite, got {affinities[s, t]} for source {s} and target {t}: "
            "leave out the targets that were not tried after every source."
        )
    return linkage(affinities, method="average", metric="euclidean", optimal_ordering=True)

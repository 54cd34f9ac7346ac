"""Random graphs, made acyclic: the three generators behind the randomly wired networks.

Xie, Kirillov, Girshick & He, "Exploring Randomly Wired Neural Networks for Image Recognition", ICCV
2019, section 3.3, https://arxiv.org/abs/1904.01569, on N nodes:

    ER(p)     Erdős & Rényi 1959: every pair is joined with probability p
    BA(m)     Barabási & Albert 1999: every new node is joined to m old ones, each drawn in
              proportion to its degree
    WS(k, p)  Watts & Strogatz 1998: a ring in which each node is joined to its k nearest ones;
              then every edge is, with probability p, moved to another end at random

An edge becomes an arrow from the smaller index to the larger one, so that no cycle can arise: the
indices are random in ER, the order of arrival in BA, and clockwise in WS.

The numbers come from NumPy's legacy generator, whose stream is frozen: a seed is an architecture.
"""

from collections.abc import Callable

import numpy as np

Graph = tuple[tuple[int, ...], ...]
"""For each node the nodes that point to it, ascending, all of smaller index."""

Generator = Callable[[int, np.random.RandomState], Graph]  # number of nodes, source of randomness


def erdos_renyi(nodes: int, random: np.random.RandomState, *, probability: float) -> Graph:
    """ER(probability), drawn again until all nodes hang together.

    Raises:
        ValueError: if `probability` is not in (0, 1], or no draw of 1,000 hangs together.
    """
    if not 0 < probability <= 1:
        raise ValueError(f"`probability` must be in (0, 1], got {probability}.")
    for _ in range(1000):
        joined = np.triu(random.random_sample((nodes, nodes)) < probability, k=1)
        if _hangs_together(joined):
            return _acyclic(joined)
    raise ValueError(
        f"`probability` must let {nodes} nodes hang together, and {probability} did not in 1,000 "
        f"draws: take one above log(nodes) / nodes = {np.log(nodes) / nodes:.2f}."
    )


def barabasi_albert(nodes: int, random: np.random.RandomState, *, attachments: int) -> Graph:
    """BA(attachments), from as many nodes without an edge; the first arrival is joined to them all.

    Raises:
        ValueError: if `attachments` is not in [1, nodes).
    """
    if not 1 <= attachments < nodes:
        raise ValueError(f"`attachments` must be in [1, {nodes}) for {nodes} nodes: {attachments}.")
    joined = np.zeros((nodes, nodes), bool)
    joined[:attachments, attachments] = True
    for new in range(attachments + 1, nodes):
        degrees = joined.sum(axis=0) + joined.sum(axis=1)
        olds = random.choice(nodes, attachments, replace=False, p=degrees / degrees.sum())
        joined[olds, new] = True  # who has not arrived has degree 0, and is never drawn
    return _acyclic(joined)


def watts_strogatz(
    nodes: int, random: np.random.RandomState, *, neighbours: int, rewiring: float
) -> Graph:
    """WS(neighbours, rewiring).

    Raises:
        ValueError: if `neighbours` is not even and in [2, nodes), or `rewiring` not in [0, 1].
    """
    if neighbours % 2 or not 2 <= neighbours < nodes:
        raise ValueError(f"`neighbours` must be even and in [2, {nodes}), got {neighbours}.")
    if not 0 <= rewiring <= 1:
        raise ValueError(f"`rewiring` must be in [0, 1], got {rewiring}.")
    joined = np.zeros((nodes, nodes), bool)  # symmetric here
    steps = range(1, neighbours // 2 + 1)
    ring = np.arange(nodes)
    for step in steps:
        joined[ring, (ring + step) % nodes] = joined[(ring + step) % nodes, ring] = True
    for step in steps:  # all edges to the nearest node once around, then those to the next
        for node in ring:
            free = np.flatnonzero(~joined[node] & (ring != node))
            if free.size and random.random_sample() < rewiring:
                old, new = (node + step) % nodes, random.choice(free)
                joined[node, old] = joined[old, node] = False
                joined[node, new] = joined[new, node] = True
    return _acyclic(np.triu(joined))


def _acyclic(joined: np.ndarray) -> Graph:
    """The graph of a matrix [from, to] that is zero below its diagonal."""
    return tuple(tuple(np.flatnonzero(column).tolist()) for column in joined.T)


def _hangs_together(joined: np.ndarray) -> bool:
    """Whether every node can be reached from the first, whichever way the arrows point."""
    either_way = joined | joined.T
    reached = np.arange(len(joined)) == 0
    for _ in joined:
        reached = reached | either_way[reached].any(axis=0)
    return bool(reached.all())

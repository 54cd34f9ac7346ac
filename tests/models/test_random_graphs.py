"""The generators against what defines them, and golden graphs: a seed is an architecture."""

from functools import partial

import numpy as np
import pytest

from jaxvision.models.random_graphs import barabasi_albert, erdos_renyi, watts_strogatz

GENERATORS = {
    "er": partial(erdos_renyi, probability=0.2),
    "ba": partial(barabasi_albert, attachments=5),
    "ws": partial(watts_strogatz, neighbours=4, rewiring=0.75),
}
GOLDEN = {
    "er": [(0, 4), (1, 4), (2, 4), (1, 5), (3, 5), (4, 5), (0, 6), (2, 6)],
    "ba": [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5), (1, 6), (2, 6), (3, 6), (4, 6), (5, 6)],
    "ws": [
        (1, 2),
        (1, 3),
        (2, 3),
        (0, 4),
        (1, 4),
        (2, 4),
        (3, 4),
        (2, 5),
        (3, 5),
        (4, 5),
        (0, 6),
        (2, 6),
        (4, 6),
        (5, 6),
    ],
}
each_generator = pytest.mark.parametrize("generator", GENERATORS.values(), ids=GENERATORS)


def edges(graph):
    return [(source, node) for node, sources in enumerate(graph) for source in sources]


def draw(generator, seed=0, nodes=32):
    return generator(nodes, np.random.RandomState(seed))


@each_generator
@pytest.mark.parametrize("seed", range(5))
def test_is_acyclic_connected_and_without_doubles(generator, seed):
    graph = draw(generator, seed)
    assert len(graph) == 32
    assert all(source < node for source, node in edges(graph))
    assert len(set(edges(graph))) == len(edges(graph))
    group = np.arange(32)  # joined nodes get one number
    for source, node in edges(graph):
        group[group == group[node]] = group[source]
    assert len(set(group)) == 1


@each_generator
def test_a_seed_is_a_graph(generator):
    assert draw(generator, 3) == draw(generator, 3)
    assert draw(generator, 3) != draw(generator, 4)


def test_golden_graphs():
    # What trained weights depend on: these may never change.
    small = {name: edges(draw(generator, nodes=7)) for name, generator in GENERATORS.items()}
    assert small == GOLDEN


def test_erdos_renyi_joins_pairs_with_its_probability():
    counts = [len(edges(draw(GENERATORS["er"], seed))) for seed in range(50)]
    # 496 pairs at 0.2: 99.2 with a deviation of 8.9, 1.3 for the mean of 50.
    assert np.mean(counts) == pytest.approx(99.2, abs=5)
    assert np.std(counts) == pytest.approx(8.9, abs=4)


def test_barabasi_albert_has_its_number_of_edges_and_prefers_who_is_joined_already():
    graphs = [draw(GENERATORS["ba"], seed) for seed in range(50)]
    assert {len(edges(graph)) for graph in graphs} == {5 * (32 - 5)}
    assert all(graph[:6] == ((), (), (), (), (), (0, 1, 2, 3, 4)) for graph in graphs)
    assert {len(sources) for graph in graphs for sources in graph[5:]} == {5}
    degrees = np.mean(
        [np.bincount(np.ravel(edges(graph)), minlength=32) for graph in graphs], axis=0
    )
    # The first arrival begins with 5 edges, as any: that it ends with several times those of the
    # last is the preference; uniform attachment leaves it with 14 on average.
    assert degrees[5] > 16.5
    assert degrees[31] == 5


def test_watts_strogatz_without_rewiring_is_the_ring():
    graph = watts_strogatz(8, np.random.RandomState(0), neighbours=4, rewiring=0.0)
    ring = {tuple(sorted((i, (i + step) % 8))) for i in range(8) for step in (1, 2)}
    assert set(edges(graph)) == ring


def test_watts_strogatz_moves_its_share_of_the_edges_and_loses_none():
    ring = {tuple(sorted((i, (i + step) % 32))) for i in range(32) for step in (1, 2)}
    stayed = []
    for seed in range(50):
        drawn = set(edges(draw(GENERATORS["ws"], seed)))
        assert len(drawn) == 64
        stayed.append(len(drawn & ring) / 64)
    # A quarter stays; few of the moved edges fall on a free place of the ring.
    assert 0.24 < np.mean(stayed) < 0.33


@pytest.mark.parametrize(
    ("generator", "message"),
    [
        (partial(erdos_renyi, probability=0.0), r"`probability` must be in \(0, 1\], got 0.0"),
        (
            partial(erdos_renyi, probability=0.001),
            r"did not in 1,000 draws: take one above .* 0.28",
        ),
        (partial(barabasi_albert, attachments=7), r"`attachments` must be in \[1, 7\)"),
        (partial(watts_strogatz, neighbours=3, rewiring=0.5), r"`neighbours` must be even.* got 3"),
        (partial(watts_strogatz, neighbours=8, rewiring=0.5), r"in \[2, 7\), got 8"),
        (partial(watts_strogatz, neighbours=2, rewiring=1.5), r"`rewiring` must be .* got 1.5"),
    ],
)
def test_names_what_cannot_be_drawn(generator, message):
    with pytest.raises(ValueError, match=message):
        draw(generator, nodes=7)

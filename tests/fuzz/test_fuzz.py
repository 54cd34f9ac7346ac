"""20,000 damaged files for each parser; more by hand, as `tests.fuzz.__main__` says."""

import tempfile
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from tests.fuzz.__main__ import IN_MEMORY, PARSERS, FuzzError, fuzz, parser_of
from tests.fuzz.mutate import EDITS, mutated

MUTATIONS = 20_000


@pytest.mark.parametrize("name", PARSERS)
def test_damaged_files_are_read_or_refused(unchecked, name):
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        fuzz(name, MUTATIONS, 0, Path(folder))


@pytest.mark.parametrize("name", PARSERS)
def test_the_files_that_are_damaged_are_whole_themselves(tmp_path, name):
    corpus, check = parser_of(name)
    assert len(corpus) >= 3
    for suffix, data in corpus:
        check(suffix, data, tmp_path)


def test_mutations_are_of_every_kind_and_decided_by_the_generator():
    data = bytes(range(200))
    first, again = (
        [mutated(data, g) for _ in range(300)] for g in map(np.random.default_rng, (3, 3))
    )
    assert first == again
    assert sum(each == data for each in first) < 10
    lengths = {len(each) for each in first}
    assert min(lengths) < 50 and max(lengths) > 250
    assert mutated(b"", np.random.default_rng(0)) != b""
    spliced = chain.from_iterable(
        mutated(b"a" * 50, np.random.default_rng(i), b"z" * 50) for i in range(50)
    )
    assert ord("z") in spliced
    assert len(EDITS) == 9


def test_what_fails_is_kept_to_be_looked_at(tmp_path, monkeypatch):
    def never(suffix, data, folder):
        assert len(data) % 7, "a length that it dislikes"

    monkeypatch.setattr("tests.fuzz.config.check", never)
    with pytest.raises(FuzzError, match=r"python -m tests\.fuzz config --file") as caught:
        fuzz("config", 1000, 0, tmp_path)
    (kept,) = tmp_path.glob("config-0-*")
    assert str(kept) in str(caught.value) and len(kept.read_bytes()) % 7 == 0


def test_a_hang_is_a_failure(tmp_path, monkeypatch):
    def hang(suffix, data, folder):
        while True:
            try:
                sum(range(1000))
            except Exception:
                continue

    monkeypatch.setattr("tests.fuzz.config.check", hang)
    monkeypatch.setattr("tests.fuzz.__main__.SECONDS", 0.05)
    with pytest.raises(FuzzError, match="Hang: took more than"):
        fuzz("config", 1, 0, tmp_path)

"""The problem of the training tests, for these, too."""

from tests.train.conftest import problem

__all__ = ["problem"]

"""The `jaxvision` command: train, sweep, evaluate, predict, models, summary."""

from jaxvision.cli.app import main

__all__ = ["main"]

"""The `jaxvision` command: train, sweep, evaluate, predict, features, style, models, summary."""

from jaxvision.cli.app import main

__all__ = ["main"]

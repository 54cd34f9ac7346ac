"""Checkpoints: whole or not there, believed only if their sums say so, saved beside training."""

from jaxvision.checkpoint.checkpoint import (
    CheckpointError,
    NonFiniteStateError,
    list_checkpoints,
    restore_checkpoint,
    save_checkpoint,
)
from jaxvision.checkpoint.writer import CheckpointWriter

__all__ = [
    "CheckpointError",
    "CheckpointWriter",
    "NonFiniteStateError",
    "list_checkpoints",
    "restore_checkpoint",
    "save_checkpoint",
]

"""The history as TensorBoard's event files, written without TensorFlow."""

import importlib.util
from pathlib import Path
from typing import Any


def check_installed() -> None:
    """Raises ValueError if tensorboardX is not installed."""
    if importlib.util.find_spec("tensorboardX") is None:
        raise ValueError("`tensorboard` needs tensorboardX: pip install 'jaxvision[tensorboard]'")


class TensorBoard:
    """Writes one point an epoch."""

    def __init__(self, folder: Path, epochs_made: int):
        """Args: where; after how many epochs the run goes on: later points are taken back."""
        from tensorboardX import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=epochs_made + 1)

    def __enter__(self) -> "TensorBoard":
        return self

    def __exit__(self, *exception: object) -> None:
        self._writer.close()

    def steps(self, count: int) -> None:
        pass

    def epoch(self, record: dict[str, Any], figures: dict[str, float]) -> None:
        """Writes the means of an epoch, and its figures of speed."""
        for part in ("train", "validation"):
            for name, value in record[part].items():
                self._writer.add_scalar(f"{name}/{part}", value, record["epoch"])
        for name, value in figures.items():
            self._writer.add_scalar(f"speed/{name}", value, record["epoch"])

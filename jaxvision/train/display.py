"""What a training run shows: a progress bar on a terminal, and a line an epoch anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

T = TypeVar("T")


class Display:
    """Draws on `console`; on one that is not a terminal (a file, a pipe) only plain lines."""

    def __init__(self, console: Console):
        self.console = console
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )

    @contextmanager
    def training(self, epochs: int, feed: Any, epochs_made: int = 0) -> Iterator:
        """Shows the bar; yields `track`, which wraps the steps of an epoch and moves it."""
        task = self._progress.add_task(
            "training", total=epochs * feed.steps, completed=epochs_made * feed.steps, speed=""
        )

        def track(steps: Iterator[T]) -> Iterator[T]:
            for step in steps:
                yield step
                speed = self._progress.tasks[task].speed  # of the last half minute
                text = f"{speed * feed.batch_size:,.0f} images/s" if speed else ""
                self._progress.update(task, advance=1, speed=text)

        with self._progress:
            yield track

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Shows on a terminal what is being done, while it is; elsewhere nothing."""
        if self.console.is_terminal:
            with self.console.status(text):
                yield
        else:
            yield

    def note(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    def epoch(self, record: dict, epochs: int, *, best: bool) -> None:
        """One aligned line: losses, accuracies, and a star where validation was the best so far."""
        train, validation = record["train"], record["validation"]
        self.note(
            f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"
            f"   train loss {train['loss']:7.4f}  accuracy {100 * train['accuracy']:6.2f} %"
            f"   validation loss {validation['loss']:7.4f}"
            f"  accuracy {100 * validation['accuracy']:6.2f} %{'  *' if best else ''}"
        )

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """A table under its title; the first column is names, the others are figures."""
        self.note(f"\n{title}")
        table = Table()
        for i, column in enumerate(columns):
            table.add_column(column, justify="left" if i == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

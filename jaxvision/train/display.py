"""What a training run shows: a progress bar on a terminal, and a line an epoch anywhere."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

SHARES = ("accuracy", "pixel_accuracy", "mAP", "mIoU")  # what is shown in per cent


class Bar:
    """The progress bar of a run; on what is no terminal, nothing."""

    def __init__(self, progress: Progress, total: int, completed: int):
        self._progress = progress
        self._task = progress.add_task("training", total=total, completed=completed, speed="")

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def advance(self, steps: int, speed: str) -> None:
        self._progress.update(self._task, advance=steps, speed=speed)


class Display:
    """Draws on `console`; on one that is not a terminal (a file, a pipe) only plain lines.

    Attributes:
        notes: what was noted so far, shown or not.
    """

    def __init__(self, console: Console, *, quiet: bool = False):
        """Args: where; whether to show nothing at all, as one of many processes."""
        console.quiet = quiet
        self.console = console
        self.notes: list[str] = []
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

    def bar(self, total: int, completed: int = 0) -> Bar:
        """A progress bar of so many steps, to be entered."""
        return Bar(self._progress, total, completed)

    @contextmanager
    def working(self, text: str) -> Iterator[None]:
        """Shows on a terminal what is being done, while it is; elsewhere nothing."""
        if self.console.is_terminal:
            with self.console.status(text):
                yield
        else:
            yield

    def note(self, text: str) -> None:
        self.notes.append(text)
        self._line(text)

    def epoch(self, record: dict, epochs: int, *, best: bool, speed: str = "") -> None:
        """One aligned line: what was measured, and a star where validation was the best so far."""
        train, validation = _shown(record["train"]), _shown(record["validation"])
        self._line(
            f"epoch {record['epoch']:>{len(str(epochs))}}/{epochs}"
            f"   train {train}   validation {validation} {'*' if best else ' '}"
            f"{f'  {speed}' if speed else ''}{_skipped(record)}".rstrip()
        )

    def table(self, title: str, columns: list[str], rows: list[list[str]]) -> None:
        """A table under its title; the first column is names, the others are figures."""
        self._line(f"\n{title}")
        table = Table()
        for i, column in enumerate(columns):
            table.add_column(column, justify="left" if i == 0 else "right")
        for row in rows:
            table.add_row(*row)
        self.console.print(table)

    def _line(self, text: str) -> None:
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)


def _shown(measured: dict[str, float]) -> str:
    """The loss, what is a share, and the PSNR; the parts of a loss are in the files."""
    loss = [f"loss {measured['loss']:7.4f}"] if "loss" in measured else []
    shares = [f"{name} {100 * measured[name]:6.2f} %" for name in SHARES if name in measured]
    decibels = [f"PSNR {measured['PSNR']:6.2f} dB"] if "PSNR" in measured else []
    return "  ".join(loss + shares + decibels)


def _skipped(record: dict) -> str:
    return f"  {record['skipped']} steps left out" if record.get("skipped") else ""

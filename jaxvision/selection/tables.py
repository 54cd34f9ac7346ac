"""A sweep as tidy tables, one row an observation and one column a variable, and as CSV.

Wickham, "Tidy Data", Journal of Statistical Software 59(10), 2014: whatever reads tables can group,
average and plot these without taking names apart.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jaxvision.selection.results import PARTS, LaneResult, SweepResult
from jaxvision.train.run import write_whole

Row = dict[str, Any]


def lane_rows(result: SweepResult) -> list[Row]:
    """A row a lane: what it was, how it ended, and what it reached.

    The columns: candidate, a hyperparameter each, seed, fold, epochs_made, best_epoch, ended; a
    metric each as best_validation_NAME, of the best epoch, and as last_train_NAME, of the last.
    What there is not, such as the fold without folds, is None.

    Raises:
        ValueError: if a hyperparameter has the name of another column.
    """
    rows = []
    for one in result.lanes:
        best, last = (one.best or {}), (one.history[-1] if one.history else {})
        ran = {"epochs_made": len(one.history), "best_epoch": one.best_epoch, "ended": one.ended}
        reached = _metrics("best_validation", best.get("validation", {}))
        rows.append(
            _joined(_identity(one), ran, reached, _metrics("last_train", last.get("train", {})))
        )
    return _filled(rows)


def epoch_rows(result: SweepResult) -> list[Row]:
    """A row for each epoch of each lane: the learning curves.

    The columns: candidate, a hyperparameter each, seed, fold, epoch, step, skipped; a metric each
    as train_NAME and as validation_NAME.

    Raises:
        ValueError: if a hyperparameter has the name of another column.
    """
    rows = []
    for one in result.lanes:
        for record in one.history:
            counts = {name: record[name] for name in ("epoch", "step", "skipped")}
            rows.append(
                _joined(_identity(one), counts, *(_metrics(part, record[part]) for part in PARTS))
            )
    return rows


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Writes a table, the whole file or none, with a line of names at its head.

    Numbers have all their digits: who reads them has the same. None is an empty cell; a number that
    is not finite is nan, inf or -inf.

    Raises:
        ValueError: if `rows` are none, or differ in their columns.
        OSError: if it cannot be written.
    """
    if not rows:
        raise ValueError("`rows` must hold at least one row, got none: then no column is known.")
    columns = list(rows[0])
    for number, row in enumerate(rows):
        if list(row) != columns:
            raise ValueError(
                f"`rows` must have the same columns, got {columns} in row 0 and {list(row)} in row "
                f"{number}: write each table to a file of its own."
            )
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())


def _identity(one: LaneResult) -> Row:
    lane = one.lane
    return _joined(
        {"candidate": lane.candidate}, lane.hyperparameters, {"seed": lane.seed, "fold": lane.fold}
    )


def _joined(*parts: Row) -> Row:
    row: Row = {}
    for part in parts:
        for name in part:
            if name in row:
                raise ValueError(
                    f"`{name}` cannot be the name of a hyperparameter in a table, which has a "
                    "column of that name for something else: give it another."
                )
        row |= part
    return row


def _metrics(prefix: str, metrics: Mapping[str, Any]) -> Row:
    return {f"{prefix}_{name}": value for name, value in metrics.items()}


def _filled(rows: list[Row]) -> list[Row]:
    """Gives each row all the columns, in one order: a lane without an epoch lacks its metrics."""
    columns = dict.fromkeys(name for row in sorted(rows, key=len, reverse=True) for name in row)
    return [{name: row.get(name) for name in columns} for row in rows]

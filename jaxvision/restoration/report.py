"""What a restorer's evaluation shows: figures, a table, and pictures."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Num, UInt8
from rich.console import Console

from jaxvision.restoration.patches import Degraded
from jaxvision.train.display import Display
from jaxvision.train.fit import Progress

SHOWN = 3  # pictures in the picture: the first, the middle one, the last
LISTED = 40  # rows of the table
PICTURES = ("curves.png", "restoration.png")


class Evaluation(NamedTuple):
    """How well the pictures of a part were restored, and some of them."""

    figures: dict[str, Any]  # as JSON: the means; "noisy" or "bicubic", what it was before; "each"
    before: str  # which of the two
    shown: dict[int, tuple[UInt8[np.ndarray, "_h _w _c"], ...]]  # before, restored, the truth


def evaluate_on(
    pictures: Degraded, restore: Callable[[Num[np.ndarray, "h w c"]], UInt8[np.ndarray, "_h _w c"]]
) -> Evaluation:
    """Restores each picture whole, and measures it before and after.

    Args:
        pictures: what is given, and the truth.
        restore: what is given -> the picture; a `Restorer`, or anything else to compare with.
    """
    problem = pictures.problem
    measure = jax.jit(problem.quality.__call__)
    each, shown = [], {}
    rows = np.linspace(0, len(pictures) - 1, SHOWN).astype(int)  # spread over the part
    for i in range(len(pictures)):
        given, truth = pictures.at(i)
        restored, before = restore(given), _to_uint8(problem.compare(given))
        after, was = (
            {name: float(value[0]) for name, value in measure(x[None], truth[None]).items()}
            for x in (jnp.asarray(restored), jnp.asarray(before))
        )
        each.append({"picture": pictures.describe(i), **after, problem.before: was})
        if i in rows:
            shown[i] = before, restored, truth

    def means(rows: list[dict[str, Any]]) -> dict[str, float]:
        return {name: float(np.mean([row[name] for row in rows])) for name in ("PSNR", "SSIM")}

    figures = {
        **means(each),
        problem.before: means([row[problem.before] for row in each]),
        "pictures": len(each),
        "each": each,
    }
    return Evaluation(figures, problem.before, shown)


def check_pictures(pictures: Degraded) -> None:
    """Reads each picture once, and refuses what cannot be measured.

    Raises:
        ValueError: as `Degraded`, naming the picture.
    """
    for i in range(len(pictures)):
        pictures.at(i)


def draw(path: Path, evaluation: Evaluation, progress: Progress | None = None) -> None:
    """Writes the pictures; the curves, if there is a progress."""
    # Imported here: Matplotlib takes its time, and training need not wait for it.
    from jaxvision.inspect import plot_curves, plot_restoration

    before, rows = evaluation.before, [evaluation.figures["each"][i] for i in evaluation.shown]
    decibels = [(row[before]["PSNR"], row["PSNR"]) for row in rows]
    pictures = list(evaluation.shown.values())
    figures = {"restoration.png": plot_restoration(pictures, decibels, before)}
    if progress is not None:
        figures["curves.png"] = plot_curves(progress.history, progress.best_epoch, "PSNR")
    for name, figure in figures.items():
        figure.savefig(path / name)


def show(display: Display, evaluation: Evaluation, title: str) -> None:
    """Prints PSNR and SSIM of each picture, before and after, and the means."""
    figures, before = evaluation.figures, evaluation.before

    def row(name: str, measured: dict[str, Any]) -> list[str]:
        was = measured[before]
        return [
            name,
            f"{was['PSNR']:.2f} dB",
            f"{measured['PSNR']:.2f} dB",
            f"{was['SSIM']:.3f}",
            f"{measured['SSIM']:.3f}",
        ]

    rows = [row(_short(each["picture"]), each) for each in figures["each"][:LISTED]]
    if len(figures["each"]) > LISTED:
        rows.append([f"and {len(figures['each']) - LISTED} more", *[""] * 4])
    rows.append(row(f"mean of {figures['pictures']}", figures))
    columns = ["picture", f"PSNR, {before}", "restored", f"SSIM, {before}", "restored"]
    display.table(title, columns, rows)


def print_evaluation(evaluation: Evaluation, title: str) -> None:
    """`show`, on standard output."""
    show(Display(Console()), evaluation, title)


def _short(name: str) -> str:
    """Of a path, the file's name."""
    return name.rpartition("/")[2]


def _to_uint8(picture: Num[np.ndarray, "h w c"]) -> UInt8[np.ndarray, "h w c"]:
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)

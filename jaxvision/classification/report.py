"""What a finished run shows: three pictures and a table."""

import sys
from functools import partial
from pathlib import Path
from textwrap import fill

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int
from rich.console import Console

from jaxvision.classification.config import TrainConfig
from jaxvision.data.sources import Source
from jaxvision.data.views import Images
from jaxvision.models import MODELS
from jaxvision.ops.metrics import confusion_matrix, top_k
from jaxvision.runs.result import tell_length
from jaxvision.train.display import Display
from jaxvision.train.fit import Progress

PICTURES = ("curves.png", "confusion.png", "mistakes.png")


def draw(
    path: Path, progress: Progress, logits: Float[np.ndarray, "n classes"], test: Source
) -> None:
    """Writes the three pictures; `logits` are those of the images of `test`."""
    # Imported here: Matplotlib takes its time, and training need not wait for it.
    from jaxvision.inspect import plot_confusion, plot_curves, plot_mistakes

    predictions, confidences = most_probable(logits)
    matrix = confusion_matrix(test.labels, predictions, len(test.classes))
    figures = (
        plot_curves(progress.history, progress.best_epoch),
        plot_confusion(matrix, test.classes),
        plot_mistakes(Images(test), test.labels, predictions, confidences, test.classes),
    )
    for name, figure in zip(PICTURES, figures, strict=True):
        figure.savefig(path / name)


def show_result(display: Display, path: Path, result: dict, test: Source) -> None:
    """The result table, and where everything is."""
    rows = [
        [name, f"{100 * part['accuracy']:.2f} %", f"{part['loss']:.4f}", examples]
        for name, part, examples in (
            ("validation", result["validation"], ""),
            ("test", result["test"], str(len(test))),
        )
    ]
    display.table("Result", ["", "accuracy", "loss", "images"], rows)
    tell_length(display, result)
    display.note(f"{path}: {', '.join(PICTURES)}, result.json, model.safetensors")


def most_probable(
    logits: Float[np.ndarray, "n classes"],
) -> tuple[Int[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The most probable class of each row and its probability."""
    probabilities, classes = jax.device_get(top_k(jnp.array(logits), 1))
    return classes[:, 0], probabilities[:, 0]


def show_evaluation(
    metrics: dict[str, float], logits: Float[np.ndarray, "n classes"], source: Source, title: str
) -> None:
    """Prints loss and accuracy, and how well each class is found."""
    display = Display(Console())
    predictions, _ = most_probable(logits)
    matrix = confusion_matrix(source.labels, predictions, len(source.classes))
    right, said, is_so = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)

    def percent(part: np.integer, whole: np.integer) -> str:
        return f"{100 * part / whole:.1f} %" if whole else "-"

    rows = [
        [name, percent(right[i], said[i]), percent(right[i], is_so[i]), str(is_so[i])]
        for i, name in enumerate(source.classes)
    ]
    display.table(title, ["class", "precision", "recall", "images"], rows)
    display.note(
        f"accuracy {100 * metrics['accuracy']:.2f} %, loss {metrics['loss']:.4f}, "
        f"{len(source)} images"
    )


def show_models() -> None:
    """Prints every model's name, under the first line of the file that defines it."""
    display = Display(Console())
    families: dict[str, list[str]] = {}
    for name, constructor in MODELS.items():
        model = constructor.func if isinstance(constructor, partial) else constructor
        families.setdefault(model.__module__, []).append(name)
    for module, names in families.items():
        display.note(sys.modules[module].__doc__.splitlines()[0])
        display.note(fill(" ".join(names), 80, initial_indent="  ", subsequent_indent="  "))
    display.note("\n`jaxvision summary NAME` shows the layers, parameters and costs of one.")


def show_features(
    config: TrainConfig,
    feature: str | None,
    pool: str,
    *,
    unit_length: bool,
    folds: int,
    out: Path | None,
) -> None:
    """Computes features, shows how far classifiers get on them, and writes them if asked to."""
    from jaxvision.classification import off_the_shelf

    display = Display(Console())
    if out is not None:
        off_the_shelf.check_free(out)
    with display.working(f"computing what {config.pretrained} sees in {config.data}"):
        found = off_the_shelf.compute_features(
            config, feature, pool, unit_length=unit_length, note=display.note
        )
    shapes = ", ".join(f"{len(x)} {name}" for name, x in found.of.items())
    width = found.of["train"].shape[1]
    display.note(f"{found.feature}: {width} numbers of each of {shapes} images")
    if out is not None:
        off_the_shelf.save_features(out, found)
        display.note(f"written: {out}")
    with display.working("training classifiers on them"):
        scores = off_the_shelf.compare_classifiers(found, folds)
    rows = [
        [score.name, score.setting, *(f"{100 * accuracy:.2f} %" for accuracy in score[2:])]
        for score in scores
    ]
    columns = ["classifier", "setting", f"{folds} folds", "validation", "test"]
    display.table(f"Accuracy on {found.feature}", columns, rows)

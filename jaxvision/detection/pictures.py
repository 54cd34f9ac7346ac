"""Image files with what a trained detector finds in them, drawn and told."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from jaxvision.detection.found import Selection
from jaxvision.detection.trained import load_detector, predict
from jaxvision.runs.predictions import free_names, predictions_folder
from jaxvision.train import run as files

USUAL = 0.5


def write_pictures(
    run: Path, images: Sequence[Path], score: float | None = None, out: Path | None = None
) -> Iterator[str]:
    """Writes NAME-found.png for each image, and yields what was found, line by line.

    Args:
        run: the detector's.
        images: files of any size and kind.
        score: the least of a box that is drawn; by default the one at which precision and recall
            were best together when the run was measured.
        out: the folder to write into; by default `predictions` in the run's. Never the images' own
            files: a name that is taken is numbered.

    Raises:
        ValueError: if `score` is not in (0, 1], or `out` is a file.
        ImageError: if a file cannot be read as an image.
    """
    from jaxvision.inspect import draw_boxes

    if score is None:
        score = _own_score(run)
    if not 0 < score <= 1:
        raise ValueError(f"`--score` must be in (0, 1], got {score}: {USUAL} is usual.")
    trained = load_detector(run, Selection(score=score))
    folder = predictions_folder(run, out)
    for path, (image, found) in zip(images, predict(trained, images), strict=True):
        drawn = draw_boxes(image, found.boxes, found.labels, trained.classes, found.scores)
        (file,) = free_names(folder, path.stem, ["found"])
        Image.fromarray(drawn).save(file)
        yield f"{path} -> {file}"
        for box, label, sure in zip(found.boxes, found.labels, found.scores, strict=True):
            sides = " ".join(f"{side:7.1f}" for side in box)
            yield f"  {100 * sure:6.2f} %  {trained.classes[label]:12} {sides}"
        if not len(found.scores):
            yield f"  nothing with a score from {score:g} on"


def _own_score(run: Path) -> float:
    """Of the run's own result; 0.5 while there is none."""
    try:
        result = json.loads((run / files.RESULT).read_text())
        return (result.get("test") or result["validation"])["score"] or USUAL
    except (OSError, ValueError, KeyError):
        return USUAL

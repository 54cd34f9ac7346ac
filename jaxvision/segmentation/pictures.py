"""Image files with the classes that a trained network gives their pixels: painted, and as masks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int32
from PIL import Image

from jaxvision.runs.predictions import free_names, predictions_folder
from jaxvision.segmentation.trained import load_segmenter, predict


def write_pictures(run: Path, images: Sequence[Path], out: Path | None = None) -> Iterator[str]:
    """Writes two pictures for each image, and yields what of it is of which class, line by line.

    NAME-segmented.png has the classes' colours over the image and a legend; NAME-classes.png is the
    mask itself: its pixels are the numbers of classes, as `masks:PATH` reads them, and its palette
    has their colours.

    Args:
        run: the network's.
        images: files of any size and kind.
        out: the folder to write into; by default `predictions` in the run's. Never the images' own
            files: a name that is taken is numbered.

    Raises:
        ValueError: if `out` is a file.
        ImageError: if a file cannot be read as an image.
    """
    from jaxvision.inspect import draw_segmentation

    trained = load_segmenter(run)
    folder = predictions_folder(run, out)
    for path, (image, called) in zip(images, predict(trained, images), strict=True):
        painted, mask = free_names(folder, path.stem, ("segmented", "classes"))
        Image.fromarray(draw_segmentation(image, called, trained.classes)).save(painted)
        _save_mask(mask, called, trained.classes)
        yield f"{path} -> {painted}, {mask.name}"
        shares = np.bincount(called.ravel(), minlength=len(trained.classes)) / called.size
        for label in np.argsort(-shares, kind="stable").tolist():
            if shares[label]:
                yield f"  {100 * shares[label]:6.2f} %  {trained.classes[label]}"


def _save_mask(file: Path, mask: Int32[np.ndarray, "h w"], classes: Sequence[str]) -> None:
    from jaxvision.inspect import class_colors

    if len(classes) > 256:  # more than a palette has entries
        Image.fromarray(mask.astype(np.uint16)).save(file)
        return
    image = Image.fromarray(mask.astype(np.uint8))
    image.putpalette(class_colors(classes).ravel().tolist())
    image.save(file)

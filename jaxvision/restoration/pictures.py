"""Image files restored, and written beside them as new ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from jaxvision.restoration.trained import load_restorer, predict
from jaxvision.runs.predictions import free_names, predictions_folder


def write_pictures(run: Path, images: Sequence[Path], out: Path | None = None) -> Iterator[str]:
    """Writes NAME-denoised.png, or NAME-x2.png, for each image, and yields a line about it.

    A denoiser is given the picture as it is, with whatever noise it has; a super-resolver makes it
    larger.

    Args:
        run: the restorer's.
        images: files of any size and kind.
        out: the folder to write into; by default `predictions` in the run's. Never the images' own
            files: a name that is taken is numbered.

    Raises:
        ValueError: if `out` is a file.
        ImageError: if a file cannot be read as an image.
    """
    restorer = load_restorer(run)
    folder = predictions_folder(run, out)
    for path, (given, restored) in zip(images, predict(restorer, images), strict=True):
        (file,) = free_names(folder, path.stem, [restorer.problem.suffix])
        picture = restored[:, :, 0] if restored.shape[2] == 1 else restored
        Image.fromarray(picture).save(file)
        (h, w, _), (height, width, _) = given.shape, restored.shape
        sizes = f"{w} x {h}" if (h, w) == (height, width) else f"{w} x {h} to {width} x {height}"
        yield f"{path} -> {file}  ({sizes} pixels)"

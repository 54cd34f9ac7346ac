"""Image files restored, and written beside them as new ones."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image

from jaxvision.restoration.trained import load_restorer, predict


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
    out = run / "predictions" if out is None else out
    if out.exists() and not out.is_dir():
        raise ValueError(f"`--out` must be a folder, got the file {out}")
    out.mkdir(parents=True, exist_ok=True)
    for path, (given, restored) in zip(images, predict(restorer, images), strict=True):
        file = _free(out, f"{path.stem}-{restorer.problem.suffix}")
        picture = restored[:, :, 0] if restored.shape[2] == 1 else restored
        Image.fromarray(picture).save(file)
        (h, w, _), (height, width, _) = given.shape, restored.shape
        sizes = f"{w} x {h}" if (h, w) == (height, width) else f"{w} x {h} to {width} x {height}"
        yield f"{path} -> {file}  ({sizes} pixels)"


def _free(folder: Path, name: str) -> Path:
    """A name in `folder` that is not taken."""
    file, number = folder / f"{name}.png", 1
    while file.exists():
        number += 1
        file = folder / f"{name}-{number}.png"
    return file

"""Where the pictures go that a trained network makes of images: into new files, and only such."""

from collections.abc import Sequence
from pathlib import Path


def predictions_folder(run: Path, out: Path | None) -> Path:
    """The folder `out`, made if it is not there; by default `predictions` in the run's.

    Raises:
        ValueError: if it is a file.
    """
    folder = run / "predictions" if out is None else out
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"`--out` must be a folder, got the file {folder}")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def free_names(folder: Path, stem: str, kinds: Sequence[str]) -> list[Path]:
    """STEM-KIND.png in `folder` for each kind, all numbered alike if one of them is taken."""
    ending, number = "", 1
    while True:
        files = [folder / f"{stem}-{kind}{ending}.png" for kind in kinds]
        if not any(file.exists() for file in files):
            return files
        number += 1
        ending = f"-{number}"

"""A folder of photographs as one array: what a network for style transfer learns from."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxvision.data.folder import EXTENSIONS
from jaxvision.data.images import fit_image, read_image
from jaxvision.hyperparameters import require_whole


def load_photographs(folder: str | Path, size: int = 256) -> UInt8[np.ndarray, "n {size} {size} 3"]:
    """Reads all images below a folder, at any depth, sorted by name; no classes are needed.

    Each is scaled until it just covers size x size pixels, and its centre is cropped. What is
    hidden (a name begins with a dot) is passed over.

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if there is no image in it, or one cannot be read, or `size` is below 1.
    """
    require_whole("size", size, low=1, remedy="256 is what the paper has")
    root = Path(folder).expanduser()
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder. Check the path.")
    paths = [
        path
        for path in sorted(root.rglob("*"))
        if path.suffix.lower() in EXTENSIONS
        and not any(part.startswith(".") for part in path.relative_to(root).parts)
    ]
    if not paths:
        raise ValueError(
            f"{root}: has no images ({' '.join(EXTENSIONS)}). Put photographs there: a hundred "
            "will do."
        )
    return np.stack([fit_image(read_image(path), size, size) for path in paths])

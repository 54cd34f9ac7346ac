"""A restorer that was trained, in use: load it, measure it, give it pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import UInt8

from jaxvision.data.images import read_image
from jaxvision.data.pictures import PictureSource
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.restoration.material import open_parts, open_test
from jaxvision.restoration.patches import Degraded
from jaxvision.restoration.problem import make_problem
from jaxvision.restoration.record import read_config
from jaxvision.restoration.report import Evaluation, evaluate_on
from jaxvision.restoration.restorer import Restorer
from jaxvision.train import run as files
from jaxvision.train.export import load_variables


def load_restorer(path: Path) -> Restorer:
    """The restorer of the run in `path`, with the best parameters by validation.

    Raises:
        FileNotFoundError: if there is no run, or none that has finished an epoch.
        ValueError: if a file of the run is damaged, or it is of another task.
    """
    config, record = read_config(path), files.read_config(path)
    problem = make_problem(config)
    if not (path / files.MODEL).is_file():
        raise FileNotFoundError(
            f"{path} has no {files.MODEL}: the run has not finished an epoch. Go on with it by "
            f"`jaxvision train --resume {path}`."
        )
    side = config.patch // problem.scale
    images = jnp.zeros((1, side, side, record["data"]["channels"]))
    expected = jax.eval_shape(lambda: problem.model.init(jax.random.key(0), images, train=False))
    loaded = load_variables(path / files.MODEL, {"batch_stats": {}} | dict(expected))
    normalization = Normalization(*(tuple(v) for v in record["normalization"].values()))
    return Restorer(problem, jax.tree.map(jnp.asarray, loaded), normalization)


def evaluate(path: Path, data: str | None = None, part: str = "test") -> Evaluation:
    """Measures the run in `path` on one part of its own data, or on others.

    Args:
        path: the run's directory.
        data: other true pictures, as `DenoiseConfig.data`; None for the run's own.
        part: "train", "validation" or "test", of what has parts.

    Raises:
        ValueError: if the other pictures are grey where the run's are in colour, or the other way
            round, or there is no such part.
    """
    restorer, config = load_restorer(path), read_config(path)
    source = _pictures(config, data, part, restorer.channels)
    return evaluate_on(Degraded(source, restorer.problem), restorer)


def predict(
    restorer: Restorer, images: Sequence[Path]
) -> Iterator[tuple[UInt8[np.ndarray, "h w c"], UInt8[np.ndarray, "_h _w c"]]]:
    """Each image file, read when its turn comes, as it is; and what becomes of it.

    A picture in colour keeps its colours: a network of grey pictures restores each channel. A grey
    one is as a network of colours has seen them: the same three times.

    Raises:
        ImageError: if a file cannot be read as an image; names it.
    """
    for path in images:
        image = read_image(path, 3)
        if restorer.channels == 1 and np.array_equal(image, np.roll(image, 1, axis=2)):
            image = image[:, :, :1]
        yield image, restorer(image)


def _pictures(
    config: DenoiseConfig | SuperResolveConfig, data: str | None, part: str, channels: int
) -> PictureSource:
    if data is not None:
        return open_test(data, config.channels, channels, part)
    parts = open_parts(config)._asdict()
    return lookup("part", part, {name: found for name, found in parts.items() if found is not None})

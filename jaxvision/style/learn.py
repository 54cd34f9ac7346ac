"""`jaxvision learn-style`: photographs and a painting in files, a network in a file."""

from pathlib import Path

from rich.console import Console

from jaxvision.optim import schedules
from jaxvision.style.config import Learning
from jaxvision.style.encoder import load_encoder
from jaxvision.style.feed_forward import (
    OBJECTIVE,
    WEIGHTS,
    TransformProgress,
    fit_transform_net,
)
from jaxvision.style.files import check_free, free_name, load_picture
from jaxvision.style.network import load_transform_net, save_transform_net
from jaxvision.style.photographs import load_photographs
from jaxvision.style.picture import Picture, resized, scaled_size
from jaxvision.train.compilation import cache_programs
from jaxvision.train.display import Display
from jaxvision.train.interruption import Interruption

SUFFIX = ".safetensors"
SMALLEST = 32  # pixels a side of the style's picture
ROOM = 1.25  # photographs are so many times as large as crops


def learn_style(
    photographs: Path, style: Path, learning: Learning, console: Console | None = None
) -> tuple[Path, dict[int, dict[str, float]]]:
    """Teaches a network to paint in the style of a picture.

    The file holds the network as it is every `learning.every` steps. What a signal ends leaves that
    of the last time there, and `learning.start` goes on with it.

    Args:
        photographs: a folder of them, to learn on; at any depth.
        style: the file of the picture.
        learning: how, and the file of the network.
        console: where to show how far it has come; by default standard output.

    Returns:
        The file of the network, and by step the mean losses since the step before.

    Raises:
        ValueError: if an option or a picture cannot be used; names it and the remedy.
        FileNotFoundError: if a file or folder does not exist.
        FileExistsError: if the file of the network exists.
    """
    display = Display(console or Console())
    out = _check_out(learning, style)
    start = load_transform_net(learning.start) if learning.start is not None else None
    picture = _style_picture(style, learning.style_size)
    images = load_photographs(photographs, round(ROOM * learning.size))
    height, width, _ = picture.shape
    display.note(
        f"{len(images)} photographs in {photographs}; {style} at {width} x {height} pixels"
    )
    cache_programs()
    training = fit_transform_net(
        load_encoder(),
        OBJECTIVE,
        picture,
        images,
        WEIGHTS._replace(content=learning.content_weight, total_variation=learning.total_variation),
        width=learning.width,
        blocks=learning.blocks,
        steps=learning.steps,
        batch_size=learning.batch_size,
        size=learning.size,
        learning_rate=schedules.cosine(learning.learning_rate, learning.steps),
        seed=learning.seed,
        log_every=learning.every,
        start=start,
    )
    history, done = {}, 0
    with Interruption(), display.bar(learning.steps) as bar:
        for progress in training:
            save_transform_net(out, progress.network)
            bar.advance(progress.step - done, "")
            display.note(_line(progress, learning.steps))
            history[progress.step], done = progress.losses, progress.step
    display.note(f"-> {out}; jaxvision style PHOTOGRAPH --learned {out}")
    return out, history


def _check_out(learning: Learning, style: Path) -> Path:
    out = learning.out or free_name(Path(f"{style.stem}{SUFFIX}"))
    if out.suffix != SUFFIX:
        raise ValueError(f"`--out` must end in {SUFFIX}, got {out}")
    check_free(out, [path for path in (style, learning.start) if path], force=learning.force)
    return out


def _style_picture(path: Path, short_side: int) -> Picture:
    picture = load_picture(path)
    height, width, _ = picture.shape
    if min(height, width) < SMALLEST:  # enlarged, a strip could be of any length
        raise ValueError(
            f"{path} is {width} x {height} pixels, and a style needs {SMALLEST} on each side: "
            "choose a larger picture."
        )
    long_side = short_side * max(height, width) / min(height, width)
    return resized(picture, *scaled_size(picture, long_side))


def _line(progress: TransformProgress, steps: int) -> str:
    losses = "  ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
    return f"step {progress.step:>{len(str(steps))}}/{steps}  {losses}"

"""`jaxvision style`: pictures in files, a painting that may be stopped, a picture in a file.

`style_files` optimises an image; `style_file_by_network` asks a network that has learned a style.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Float
from rich.console import Console

from jaxvision.style.colour import (
    grey,
    match_colours,
    match_histograms,
    match_luminance,
    with_colours_of,
)
from jaxvision.style.config import Files, Network, Settings
from jaxvision.style.encoder import Encoder, load_encoder
from jaxvision.style.files import (
    FORMATS,
    check_free,
    free_name,
    load_mask,
    load_picture,
    own_pictures,
    save_picture,
    save_video,
)
from jaxvision.style.network import apply_transform_net, load_transform_net
from jaxvision.style.objective import Objective
from jaxvision.style.picture import Picture, resized, scaled_size
from jaxvision.style.sizes import scales, steps_at
from jaxvision.style.statistics import STATISTICS
from jaxvision.style.synthesis import Progress, paint
from jaxvision.train.compilation import cache_programs
from jaxvision.train.display import Display
from jaxvision.train.interruption import InterruptedRunError, Interruption

SIDE = 512  # pixels, unless asked for
MATCH = {"affine": match_colours, "histogram": match_histograms}


def style_files(
    content: Path | None,
    styles: tuple[Path, ...],
    files: Files,
    settings: Settings,
    network: Network,
    console: Console | None = None,
) -> Path:
    """Paints a picture in the style of others, and returns the file that it is in.

    The file holds a preview every `files.preview_every` steps. At Ctrl-C or SIGTERM it keeps what
    there is.

    Args:
        content: the file of the picture to paint; None, without styles too, for an example.
        styles: the files of the pictures to paint it like.
        files: the others, and what becomes of sizes and colours.
        settings: how to paint.
        network: what sees.
        console: where to show how far it has come; by default standard output.

    Raises:
        ValueError: if an option or a picture cannot be used; names it and the remedy.
        FileNotFoundError: if a file does not exist, or the folder of `files.out`.
        FileExistsError: if `files.out` exists, or is one of the pictures.
        InterruptedRunError: if a signal came.
    """
    display = Display(console or Console())
    if content is None:
        display.note("no pictures are given: an example, of two that come with scikit-learn")
    content, styles = _inputs(content, styles)
    out = _check_out(files, content, styles)
    pictures = [load_picture(path) for path in (content, *styles)]
    whole = pictures[0]
    picture = resized(whole, *_size(whole, files.size))
    masks = _masks(files.mask, len(styles), picture)
    start = load_picture(files.start) if files.start is not None else None
    cache_programs()
    encoder = load_encoder(
        network.network, network.weights, file=network.weights_file, pool=network.pool
    )
    objective = _objective(encoder, network)
    _say_sizes(display, content, whole, picture)
    seen, seen_styles = _colours(files, picture, pictures[1:])

    steps = sum(steps_at(settings.steps, len(scales(*picture.shape[:2], settings.coarsest))))
    frames, saved, done = [], 0, 0
    with Interruption() as interruption, display.bar(steps) as bar:
        painting = paint(encoder, seen, seen_styles, settings, objective, masks=masks, start=start)
        for progress in painting:
            interruption.unsaved = True
            bar.advance(progress.step - done, _losses(progress))
            done = progress.step
            asked = interruption.requested()
            if asked or done == steps or done - saved >= files.preview_every:
                frames.append(_finished(files, picture, progress))
                save_picture(out, frames[-1])
                display.note(f"step {done:{len(str(steps))}}/{steps}  {_losses(progress)}")
                saved = done
            if asked:
                break
    if files.video is not None:
        save_video(files.video, frames)
    if interruption.signal is not None and done < steps:
        hint = f"{out} holds the picture after {done} of {steps} steps"
        raise InterruptedRunError(interruption.signal, hint)
    display.note(f"-> {out}")
    return out


def style_file_by_network(
    content: Path | None, learned: Path, files: Files, console: Console | None = None
) -> Path:
    """Paints a picture in one pass by a network of `learn_style`; returns the file that it is in.

    Args:
        content: the file of the picture to paint; None for an example.
        learned: the file of the network.
        files: the picture to write, its size and colours.
        console: where to show what is done; by default standard output.

    Raises:
        ValueError: if an option, the picture or the network cannot be used.
        FileNotFoundError: if a file does not exist, or the folder of `files.out`.
        FileExistsError: if `files.out` exists, or is one of the files to read.
    """
    display = Display(console or Console())
    if content is None:
        display.note("no picture is given: an example, of one that comes with scikit-learn")
        content, _ = own_pictures()
    out = _check_out(files, content, (learned,))
    network, whole = load_transform_net(learned), load_picture(content)
    picture = resized(whole, *_size(whole, files.size))
    _say_sizes(display, content, whole, picture)
    cache_programs()
    painted = apply_transform_net(network, picture)
    if files.preserve_colour and files.colour_by == "luminance":
        painted = with_colours_of(picture, painted)
    elif files.preserve_colour:
        (painted,) = MATCH[files.colour_by](picture, [painted])
    save_picture(out, painted)
    display.note(f"-> {out}")
    return out


def _inputs(content: Path | None, styles: tuple[Path, ...]) -> tuple[Path, tuple[Path, ...]]:
    if content is None:
        content, style = own_pictures()
        return content, (style,)
    if not styles:
        raise ValueError(
            "`STYLE` is missing: give one picture or more whose style the first shall have"
        )
    return content, styles


def _check_out(files: Files, content: Path, styles: tuple[Path, ...]) -> Path:
    """Where the picture goes, if it and the video can be written."""
    out = files.out or free_name(Path(f"{content.stem}-{styles[0].stem}.png"))
    if out.suffix.lower() not in FORMATS:
        raise ValueError(f"`--out` must end in {', '.join(FORMATS)}, got {out}")
    video = files.video
    if video is not None and video.suffix.lower() != ".gif":
        raise ValueError(f"`--video` must end in .gif, got {video}")
    others = [path for path in (files.start, *files.mask) if path is not None]
    for path in (out,) if video is None else (out, video):
        check_free(path, [content, *styles, *others], force=files.force)
    return out


def _size(picture: Picture, side: int | None) -> tuple[int, int]:
    """Height and width, with a long side of `side` pixels."""
    if side is None:
        side = min(SIDE, max(picture.shape))
    if side < 1:
        raise ValueError(f"`--size` must be at least 1, got {side}")
    return scaled_size(picture, side)


def _masks(
    paths: tuple[Path, ...], styles: int, picture: Picture
) -> Float[np.ndarray, "styles h w"] | None:
    """The regions of the styles; the last style has the rest, if it has no mask of its own."""
    if not paths:
        return None
    if len(paths) not in (styles, styles - 1):
        raise ValueError(
            f"`--mask` must name a picture for each of {styles} styles, or for each but the last, "
            f"got {len(paths)}"
        )
    masks = [resized(load_mask(path), *picture.shape[:2])[..., 0] for path in paths]
    for path, mask in zip(paths, masks, strict=True):
        if mask.max() == 0:
            raise ValueError(f"{path} is black everywhere: paint white where its style is wanted")
    if len(masks) < styles:
        masks.append(np.clip(1 - np.sum(masks, axis=0), 0, 1))
    return np.stack(masks)


def _objective(encoder: Encoder, network: Network) -> Objective:
    def layers(names):
        return {encoder.layer(name).name: 1 / len(names) for name in names}

    if not network.style_layers:
        raise ValueError("`--style-layers` is empty: name one layer or more")
    return Objective(
        content=layers(network.content_layers),
        style=layers(network.style_layers),
        statistic=STATISTICS[network.statistic],
        relative=network.relative,
    )


def _colours(
    files: Files, content: Picture, styles: list[Picture]
) -> tuple[Picture, list[Picture]]:
    """What is painted, and like what, so that the colours are the content's."""
    if not files.preserve_colour:
        return content, styles
    if files.colour_by == "luminance":
        return grey(content), match_luminance(content, styles)
    return content, MATCH[files.colour_by](content, styles)


def _finished(files: Files, content: Picture, progress: Progress) -> Picture:
    if files.preserve_colour and files.colour_by == "luminance":
        return with_colours_of(resized(content, *progress.size), progress.image)
    return progress.image


def _losses(progress: Progress) -> str:
    height, width = progress.size
    losses = progress.losses
    return (
        f"{width} x {height}  loss {losses.total:.4f}  content {losses.content:.3f}  "
        f"style {losses.style:.4f}"
    )


def _say_sizes(display: Display, path: Path, whole: Picture, picture: Picture) -> None:
    height, width, _ = whole.shape
    if picture.shape != whole.shape:
        display.note(
            f"{path}: {width} x {height} pixels, painted at {picture.shape[1]} x "
            f"{picture.shape[0]}; --size decides"
        )

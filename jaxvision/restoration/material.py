"""From a restorer's configuration to its data: pictures, patches, and feeds of them."""

from collections.abc import Callable
from typing import NamedTuple

from jax.sharding import Mesh

from jaxvision.data.batches import Feed, open_feed
from jaxvision.data.pictures import PictureSource, check_alike, open_pictures
from jaxvision.names import lookup
from jaxvision.restoration.config import DenoiseConfig, SuperResolveConfig
from jaxvision.restoration.patches import Degraded, Patches
from jaxvision.restoration.problem import Problem

EVAL_BATCH = 4  # whole pictures: more would take memory, and no less time


class Parts(NamedTuple):
    """True pictures."""

    train: PictureSource
    validation: PictureSource
    test: PictureSource | None


class Material(NamedTuple):
    """What is learned from, and measured by."""

    parts: Parts
    train: Feed
    validation: Feed


def open_parts(
    config: DenoiseConfig | SuperResolveConfig, note: Callable[[str], None] = lambda text: None
) -> Parts:
    """The three parts of the data; `note` is told what is left out.

    Raises:
        ImageError: if more pictures are bad than `max_bad` allows.
        ValueError: if the data are unknown, have no pictures for validation, or those of the test
            are grey and those of the training in colour, or the other way round.
        FileNotFoundError: if they are not there.
    """
    max_bad = config.max_bad if config.on_bad_image == "skip" else None
    found = open_pictures(
        config.data,
        config.channels,
        validation_fraction=config.validation_fraction,
        split_seed=config.split_seed,
        max_bad=max_bad,
        note=note,
    )
    if "validation" not in found:
        raise ValueError(
            f"{config.data}: has one picture, and none for validation. Put others there, or make "
            "folders train and validation."
        )
    test = found.get("test")
    if config.test_data is not None:
        channels = found["train"].channels
        test = open_test(config.test_data, config.channels, channels, max_bad=max_bad, note=note)
    return Parts(found["train"], found["validation"], test)


def open_test(
    data: str,
    asked: int | None,
    channels: int,
    part: str = "test",
    *,
    max_bad: float | None = None,
    note: Callable[[str], None] = lambda text: None,
) -> PictureSource:
    """The pictures that `data` names, to be measured on: one part; all of a folder without parts.

    Args:
        data: as `DenoiseConfig.data`.
        asked: what to convert them to; None to leave them as they are.
        channels: that they must have.
        part: which one, of what has parts.
        max_bad: leave out those that cannot be read, up to this part; None: none.
        note: is told what is left out.

    Raises:
        ImageError: if more pictures are bad than `max_bad` allows.
        ValueError: if they have other channels, or there is no such part.
        FileNotFoundError: if they are not there.
    """
    found = open_pictures(data, asked, validation_fraction=None, max_bad=max_bad, note=note)
    source = found["train"] if set(found) == {"train"} else lookup("part", part, found)
    check_alike(source, channels, data)
    return source


def read_material(
    config: DenoiseConfig | SuperResolveConfig,
    problem: Problem,
    parts: Parts,
    mesh: Mesh | None,
    note: Callable[[str], None] = lambda text: None,
) -> Material:
    """Patches to learn from, degraded pictures to choose the best epoch by, and batches of both.

    Pictures for validation of several sizes are cut to the smallest height and width among them, so
    that one program measures them all; `note` is told so.

    Raises:
        ValueError: if a picture is smaller than a patch, or than can be measured.
    """
    patches = Patches(parts.train, problem, config.patch, config.patches, config.seed)
    train = open_feed(
        patches,
        config.batch_size,
        seed=config.seed,
        kind=config.feed,
        mesh=mesh,
        workers=config.workers,
    )
    shapes = {parts.validation[i]["image"].shape[:2] for i in range(len(parts.validation))}
    size = None
    if len(shapes) > 1:
        heights, widths = zip(*shapes, strict=True)
        size = min(heights), min(widths)
        note(
            f"pictures for validation have {len(shapes)} sizes: the middle {size[0]} x {size[1]} "
            "pixels of each choose the epoch"
        )
    degraded = Degraded(parts.validation, problem, size)
    validation = open_feed(
        degraded, eval_batch(len(degraded), mesh), seed=None, kind=config.feed, mesh=mesh
    )
    return Material(parts, train, validation)


def eval_batch(pictures: int, mesh: Mesh | None = None) -> int:
    """The largest batch up to `EVAL_BATCH` that there are pictures and devices for.

    Raises:
        ValueError: if there are fewer pictures than devices.
    """
    devices = 1 if mesh is None else mesh.size
    size = min(max(EVAL_BATCH, devices), pictures) // devices * devices
    if size == 0:
        raise ValueError(
            f"{devices} devices cannot share {pictures} pictures to validate on: hold more out, or "
            "use fewer devices."
        )
    return size

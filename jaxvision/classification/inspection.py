"""Pictures of what a network has learned and of what it looks at: `jaxvision inspect`.

Each kind of picture is a function of a `Request`; `KINDS` is the table of them. Those of `HEAT` say
which pixels speak for a class, and stand side by side in one picture, attribution.png.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from jaxvision.classification.pretraining import is_run
from jaxvision.classification.request import Request
from jaxvision.classification.subject import open_subject
from jaxvision.inspect import pictures as see
from jaxvision.inspect.picture import Picture
from jaxvision.names import lookup
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.train import run as files

STRONGEST = 6  # patches for each channel
BATCH = 64
LOSS_OF = 128  # examples, for each of the points of a landscape
EXTENT, POINTS = 1.0, 21  # of a loss landscape, either way, and along each side
HIDDEN = 8  # a square that hides something goes so many times into a side
ASCENT = 128  # steps that an image is made in
SIDE = 128  # of such an image for weights that take any size, at most
Pixels = Float[Array, "b h w c"]
Classes = Int[np.ndarray, " b"]


def draw_filters(request: Request) -> Picture:
    """The kernels of the first convolution."""
    return see.plot_filters(request.subject.first_kernel())


def draw_features(request: Request) -> Picture:
    """Of the first image, each channel."""
    feature = request.subject.find_map(request.feature)
    channels = None if request.channel is None else request.channels(feature)
    found = jax.jit(lambda x: request.subject(x)[1][feature])(request.pixels()[:1])
    return see.plot_feature_maps(np.asarray(found[0]), channels)


def draw_deconvolution(request: Request) -> Picture:
    """Of each image, where the strongest activation of each of some channels comes from."""
    pixels, feature = request.pixels(), request.subject.find_map(request.feature)
    back = {
        f"{feature}, {channel}": np.asarray(
            see.deconvolution(request.subject, pixels, feature, channel)
        )
        for channel in request.channels(feature)
    }
    return see.plot_attributions(np.asarray(pixels, np.uint8), back)


def draw_field(request: Request) -> Picture:
    """What part of the image a unit sees, and how much each pixel counts there."""
    feature = request.subject.find_map(request.feature)
    found = see.effective_receptive_field(request.subject, feature, request.pixels())
    return see.plot_effective_field(np.asarray(found), request.theory(feature))


def draw_visualization(request: Request) -> Picture:
    """Images that channels answer to, made from noise."""
    subject, feature = request.subject, request.subject.find_map(request.feature)
    height, width, channels = subject.image_shape
    if not is_run(subject.name):  # a run's network may have layers for images of its size only
        height, width = min(height, SIDE), min(width, SIDE)
    made = [
        see.visualize_feature(
            lambda unit: subject(255 * unit),
            feature,
            channel,
            shape=(height, width, channels),
            steps=ASCENT,
            optimizer=optax.adam(0.05),
            key=jax.random.fold_in(jax.random.key(request.seed), channel),
            jitter=min(height, width) // 16,
        ).image
        for channel in request.channels(feature)
    ]
    return see.plot_visualizations(np.stack(made), feature, request.channels(feature))


def draw_activating(request: Request) -> Picture:
    """What of the data each of some channels answers to most."""
    subject, images = request.subject, request.examples()["image"]
    feature = subject.find_map(request.feature)
    batches = (
        {"image": jnp.asarray(images[i : i + BATCH], jnp.float32)}
        for i in range(0, len(images), BATCH)
    )
    count = min(STRONGEST, len(images))
    found = see.most_activating(subject, batches, feature, request.channels(feature), count)
    return see.plot_patches(see.activating_patches(images, found, request.theory(feature)), found)


def draw_embedding(request: Request) -> Picture:
    """The data as the last feature places them on a plane."""
    examples, subject = request.examples(), request.subject
    feature = subject.find_any(request.feature)

    @jax.jit
    def of(pixels):
        found = subject(pixels)[1][feature]
        return found.mean(axis=(1, 2)) if found.ndim == 4 else found.reshape(len(found), -1)

    parts = range(0, len(examples["image"]), BATCH)
    rows = np.concatenate([np.asarray(of(examples["image"][i : i + BATCH])) for i in parts])
    points = see.embed_tsne(rows, perplexity=min(30, len(rows) / 3))
    return see.plot_embedding(points, examples["label"], request.source().classes, feature)


def draw_landscape(request: Request) -> Picture:
    """The loss of the data around the parameters, along two directions at random."""
    examples = jax.tree.map(jnp.asarray, request.examples(LOSS_OF))
    subject = request.subject
    request.require_classes()

    def loss(params):
        moved = subject._replace(variables={**subject.variables, "params": params})
        return categorical_cross_entropy(moved(examples["image"])[0], examples["label"]).mean()

    params, at = subject.variables["params"], np.linspace(-EXTENT, EXTENT, POINTS)
    keys = jax.random.split(jax.random.key(request.seed))
    directions = [see.random_direction(key, params) for key in keys]
    return see.plot_loss_plane(at, at, see.loss_on_plane(loss, params, *directions, at, at))


def _saliency(request: Request, pixels: Pixels, classes: Classes) -> Array:
    return see.saliency(request.subject, pixels, classes)


def _guided(request: Request, pixels: Pixels, classes: Classes) -> Array:
    return see.guided_backpropagation(request.subject, pixels, classes)


def _grad_cam(request: Request, pixels: Pixels, classes: Classes) -> Array:
    feature = request.subject.find_map(request.feature)
    return see.grad_cam(request.subject, pixels, feature, classes)


def _guided_grad_cam(request: Request, pixels: Pixels, classes: Classes) -> Array:
    feature = request.subject.find_map(request.feature)
    return see.guided_grad_cam(request.subject, pixels, feature, classes)


def _occlusion(request: Request, pixels: Pixels, classes: Classes) -> Array:
    window = max(1, min(pixels.shape[1:3]) // HIDDEN)
    grey = jnp.asarray(request.subject.normalization.mean)
    return see.occlusion(
        request.subject, pixels, classes, window=window, stride=max(1, window // 2), fill=grey
    )


HEAT: dict[str, Callable[[Request, Pixels, Classes], Array]] = {
    "saliency": _saliency,
    "guided": _guided,
    "gradcam": _grad_cam,
    "guided_gradcam": _guided_grad_cam,
    "occlusion": _occlusion,
}
KINDS: dict[str, Callable[[Request], Picture]] = {
    "filters": draw_filters,
    "features": draw_features,
    "deconvolution": draw_deconvolution,
    "field": draw_field,
    "visualization": draw_visualization,
    "activating": draw_activating,
    "embedding": draw_embedding,
    "landscape": draw_landscape,
}
OF_DATA = {"activating", "embedding", "landscape"}
OF_MAPS = {
    *("features", "deconvolution", "field", "visualization", "activating"),
    *("gradcam", "guided_gradcam"),
}


def draw_attribution(request: Request, names: Sequence[str]) -> Picture:
    """Which pixels speak for a class, in the ways of `HEAT` that are named."""
    pixels = request.pixels()
    classes = request.classes(pixels)
    found = {name: np.asarray(HEAT[name](request, pixels, classes)) for name in names}
    rows = [request.subject.class_name(int(number)) for number in classes]
    return see.plot_attributions(np.asarray(pixels, np.uint8), found, rows)


def default_kinds(request: Request) -> list[str]:
    """What is drawn if nothing is named: what the network can show of any image."""
    return ["filters", "features", *(["saliency", "gradcam"] if request.subject.has_head else [])]


def parse_kinds(what: str | None, request: Request) -> tuple[list[str], list[str]]:
    """The names of `KINDS`, and those of `HEAT`, that a text like "filters,saliency" has.

    Raises:
        ValueError: if there is no such kind of picture, or none is named.
    """
    if what is None:
        names = default_kinds(request)
    else:
        known = {name: name for name in (*KINDS, *HEAT)}
        names = [lookup("--what", name.strip(), known) for name in what.split(",")]
    kinds, heat = ([name for name in dict.fromkeys(names) if name in of] for of in (KINDS, HEAT))
    return kinds, heat


def write_pictures(
    network: str, what: str | None, out: Path | None, **asked: Any
) -> Iterator[Path]:
    """Draws what is asked for, and writes a file for each picture.

    Args:
        network: a run, or the name of one with weights; see `jaxvision.classification.subject`.
        what: names of `KINDS` and `HEAT`, with commas between.
        out: a new folder, or an empty one; by default `inspect` in the run's, or beside this.
        asked: the other fields of `Request`.

    Raises:
        ValueError: if a name is unknown, or a picture cannot be made of this network.
    """
    request = Request(open_subject(network), **asked)
    kinds, heat = parse_kinds(what, request)
    drawn = [(name, partial(KINDS[name], request)) for name in kinds]
    if heat:
        drawn.append(("attribution", partial(draw_attribution, request, heat)))
    _check(request, kinds, heat)
    if out is None:
        run = is_run(network)
        name = "inspect" if run else f"inspect-{network.partition(':')[0]}"
        folder = files.make_numbered(Path(network) if run else Path(), name)
    else:
        files.check_free(out)
        out.mkdir(parents=True, exist_ok=True)
        folder = out
    for name, draw in drawn:
        draw().savefig(folder / f"{name}.png")
        yield folder / f"{name}.png"


def _check(request: Request, kinds: Sequence[str], heat: Sequence[str]) -> None:
    """What cannot be drawn is refused before anything is: a picture may take a minute."""
    if "filters" in kinds:
        request.subject.first_kernel()
    if heat:
        request.classes(request.pixels())
    elif request.files:
        request.pixels()
    if "landscape" in kinds:
        request.require_classes()
    if "embedding" in kinds:
        request.subject.find_any(request.feature)
    if OF_DATA & set(kinds):
        request.source()
    if OF_MAPS & {*kinds, *heat}:
        request.channels(request.subject.find_map(request.feature))

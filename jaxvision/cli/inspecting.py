"""`jaxvision inspect`: pictures of what a network has learned and of what it looks at."""

from pathlib import Path
from typing import Annotated

import tyro


def inspect(
    network: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NETWORK")],
    *,
    what: Annotated[str | None, tyro.conf.arg(metavar="KIND,...")] = None,
    image: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="IMAGE...")] = (),
    feature: str | None = None,
    channel: int | None = None,
    of_class: Annotated[str | None, tyro.conf.arg(name="class", metavar="NAME")] = None,
    data: str | None = None,
    seed: int = 0,
    out: Path | None = None,
) -> None:
    """Draw what a network has learned, and what it looks at in images.

    filters: what the first layer weighs the pixels with. features: each channel of a feature.
    saliency, guided, gradcam, guided_gradcam, occlusion: which pixels speak for a class.
    deconvolution: what the strongest activations come from. field: which pixels a unit sees, and
    how much of each. visualization: images made for a channel. activating: what of the data a
    channel answers to most. embedding: the data as a feature places them. landscape: the loss
    around the parameters.

    Args:
        network: The directory of a run, vgg16, MODEL:WEIGHTS or MODEL:FILE.
        what: Which pictures, with commas between; by default filters, features, saliency, gradcam.
        image: Files of any size and kind; by default some of the run's data, or two photographs.
        feature: Of the network, as stage3 or relu5_3; by default the last with rows and columns.
        channel: Of the feature; by default some of all.
        of_class: Which class pixels speak for; by default the most probable of each image.
        data: Another data set to look through: digits, folder:PATH or tfds:NAME.
        seed: Of what is random: a visualization's beginning, a landscape's directions.
        out: The new folder for the pictures; by default inspect in the run's, or inspect-MODEL.
    """
    from jaxvision.classification.inspection import write_pictures

    asked = {"files": image, "feature": feature, "channel": channel, "of_class": of_class}
    for file in write_pictures(network, what, out, **asked, data=data, seed=seed):
        print(file)

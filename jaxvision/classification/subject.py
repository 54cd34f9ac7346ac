"""A network that has learned, to be looked at: a run's, or one with other people's weights.

runs/digits-lenet5         what a run has come to
vgg16                      the weights that are known for VGG-16, the preferred
resnet50:torchvision_v2    others that are known
resnet50_v1:keras:FILE     known weights that no address is known for, where they are
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict
from jaxtyping import Array, Float, Num, UInt8

from jaxvision.classification.classifier import load_classifier
from jaxvision.classification.pretraining import is_run
from jaxvision.data.images import fit_image, read_image
from jaxvision.models import Network
from jaxvision.names import lookup
from jaxvision.ops.normalization import Normalization
from jaxvision.pretrained import load_pretrained
from jaxvision.pretrained.channel_order import for_rgb
from jaxvision.pretrained.named import parse_named
from jaxvision.train.state import Variables
from jaxvision.transfer.partition import parameters_below
from jaxvision.transfer.stages import features_of, find_feature


class Subject(NamedTuple):
    """What is looked at."""

    name: str
    model: Network
    variables: Variables
    normalization: Normalization
    image_shape: tuple[int, int, int]  # height, width, channels
    fit: Callable[[np.ndarray], np.ndarray]  # an image of any size -> one of image_shape
    classes: tuple[str, ...] | None  # None: nobody has said their names
    has_head: bool

    def __call__(
        self, pixels: Num[Array | np.ndarray, "b h w c"]
    ) -> tuple[Float[Array, "b k"], dict[str, Array]]:
        """Logits and features of pixel values 0..255."""
        inputs = self.normalization(jnp.asarray(pixels))
        return self.model.apply(self.variables, inputs, train=False)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The features' names, from the image to the head, and the shape of each for one image."""
        image = jax.ShapeDtypeStruct((1, *self.image_shape), jnp.float32)
        found = features_of(self.model, self.variables, image)
        return {name: feature.shape[1:] for name, feature in found.items()}

    def find_map(self, feature: str | None) -> str:
        """The feature of this name, or the last, that has rows and columns.

        Raises:
            ValueError: if there is none.
        """
        maps = [
            name for name, shape in self.shapes().items() if len(shape) == 3 and min(shape[:2]) > 1
        ]
        if not maps:
            raise ValueError(
                "`NETWORK` must have a feature with rows and columns for this picture, "
                f"{self.name} has none: inspect a convolutional network"
            )
        return maps[-1] if feature is None else find_feature(feature, maps)

    def find_any(self, feature: str | None) -> str:
        """The feature of this name, or the last.

        Raises:
            ValueError: if there is none of this name.
        """
        names = list(self.shapes())
        return names[-1] if feature is None else find_feature(feature, names)

    def first_kernel(self) -> Float[np.ndarray, "h w c n"]:
        """What the first layer weighs the pixels with; of a dense layer, the images it looks for.

        Raises:
            ValueError: if the first layer is neither.
        """
        h, w, c = self.image_shape
        image = jax.ShapeDtypeStruct((1, *self.image_shape), jnp.float32)
        params = flatten_dict(self.variables["params"], sep="/")
        below = parameters_below(self.model, self.variables, image, next(iter(self.shapes())))
        # Below the flattened pixels of a linear model there is nothing: then it is the head.
        for path, kernel in ({path: params[path] for path in below} or params).items():
            if path.endswith("kernel") and kernel.shape[:-1] == (h * w * c,):
                return np.asarray(kernel).reshape(h, w, c, -1)
            if path.endswith("kernel") and kernel.ndim == 4 and kernel.shape[2] == c:
                return np.asarray(kernel)
        raise ValueError(
            "`NETWORK` must begin with a convolution or a dense layer for its filters to be seen, "
            f"{self.name} does not: leave filters out of --what"
        )

    def read(self, paths: Sequence[Path]) -> UInt8[np.ndarray, "b h w c"]:
        """Image files of any size and kind, as the network takes them.

        Raises:
            ImageError: if a file cannot be read as an image; names it.
        """
        channels = self.image_shape[2]
        return np.stack([self.fit(read_image(path, channels)) for path in paths])

    def class_name(self, number: int) -> str:
        return f"class {number}" if self.classes is None else self.classes[number]

    def find_class(self, name: str) -> int:
        """The number of a class of this name; where nobody has said the names, of this number.

        Raises:
            ValueError: if there is none.
        """
        if self.classes is None:
            numbers = {str(number): number for number in range(self.model.num_classes)}
            return lookup("--class", name, numbers)
        return lookup("--class", name, {known: i for i, known in enumerate(self.classes)})


def open_subject(name: str) -> Subject:
    """The network that `name` names; the module says how.

    Raises:
        ValueError: if there is no such network, or nobody has said what its weights expect.
        FileNotFoundError: if there is no such run or file.
        ConnectionError: if weights are neither in the cache nor to be had.
    """
    if is_run(name):
        found = load_classifier(Path(name))
        height, width, _ = found.image_shape
        return Subject(
            name,
            found.model,
            found.variables,
            found.normalization,
            found.image_shape,
            lambda image: fit_image(image, height, width),
            found.classes,
            has_head=True,
        )
    named = parse_named(name)
    loaded = load_pretrained(named.model, named.weights, file=named.file)
    if loaded.preprocessing is None:
        raise ValueError(
            f"`NETWORK` must be weights that are known, or a run, got {name}: nobody has said what "
            "it expects of pixels. A run that begins with it does: `jaxvision train --pretrained`"
        )
    loaded = for_rgb(loaded)
    side = loaded.preprocessing.crop
    return Subject(
        name,
        loaded.model,
        jax.tree.map(jnp.asarray, loaded.variables),
        Normalization(loaded.preprocessing.mean, loaded.preprocessing.std),
        (side, side, 3),
        loaded.preprocessing.fit,
        None,
        has_head=loaded.model.num_classes is not None,
    )

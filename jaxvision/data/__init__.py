"""Files and data sets in, batches of arrays out."""

from jaxvision.data.folder import FolderSource, open_folder
from jaxvision.data.images import ImageError, decode_image, fit_image, read_image
from jaxvision.data.sources import ArraySource, Item, Source, digits, open_data
from jaxvision.data.tfds import TfdsSource, open_tfds

__all__ = [
    "ArraySource",
    "FolderSource",
    "ImageError",
    "Item",
    "Source",
    "TfdsSource",
    "decode_image",
    "digits",
    "fit_image",
    "open_data",
    "open_folder",
    "open_tfds",
    "read_image",
]

"""Files and data sets in, batches of arrays out."""

from jaxvision.data.batches import Feed, ResidentFeed, load_resident, open_feed
from jaxvision.data.folder import FolderSource, open_folder
from jaxvision.data.images import ImageError, decode_image, fit_image, read_image
from jaxvision.data.sources import ArraySource, Item, Source, digits, open_data
from jaxvision.data.splits import Splits, complete_splits, stratified_split
from jaxvision.data.streaming import StreamingFeed
from jaxvision.data.tfds import TfdsSource, open_tfds
from jaxvision.data.views import Fitted, Images, Subset

__all__ = [
    "ArraySource",
    "Feed",
    "Fitted",
    "FolderSource",
    "ImageError",
    "Images",
    "Item",
    "ResidentFeed",
    "Source",
    "Splits",
    "StreamingFeed",
    "Subset",
    "TfdsSource",
    "complete_splits",
    "decode_image",
    "digits",
    "fit_image",
    "load_resident",
    "open_data",
    "open_feed",
    "open_folder",
    "open_tfds",
    "read_image",
    "stratified_split",
]

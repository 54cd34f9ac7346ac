"""Files and data sets in, batches of arrays out."""

from jaxvision.data.batches import Feed, ResidentFeed, load_resident, open_feed
from jaxvision.data.duplicates import check_disjoint, find_duplicates, without_copies
from jaxvision.data.folder import FolderSource, open_folder
from jaxvision.data.folds import Folds, repeated_subsamples, rows_of, stratified_folds
from jaxvision.data.images import ImageError, decode_image, fit_image, read_image
from jaxvision.data.sources import ArraySource, Item, Source, digits, open_data
from jaxvision.data.splits import Splits, complete_splits, stratified_split, train_validation_test
from jaxvision.data.streaming import StreamingFeed
from jaxvision.data.tfds import TfdsSource, open_tfds
from jaxvision.data.views import Fitted, Images, Subset

__all__ = [
    "ArraySource",
    "Feed",
    "Fitted",
    "FolderSource",
    "Folds",
    "ImageError",
    "Images",
    "Item",
    "ResidentFeed",
    "Source",
    "Splits",
    "StreamingFeed",
    "Subset",
    "TfdsSource",
    "check_disjoint",
    "complete_splits",
    "decode_image",
    "digits",
    "find_duplicates",
    "fit_image",
    "load_resident",
    "open_data",
    "open_feed",
    "open_folder",
    "open_tfds",
    "read_image",
    "repeated_subsamples",
    "rows_of",
    "stratified_folds",
    "stratified_split",
    "train_validation_test",
    "without_copies",
]

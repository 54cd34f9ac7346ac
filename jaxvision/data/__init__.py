"""Files and data sets in, batches of arrays out."""

from jaxvision.data.bad_images import leave_out_bad
from jaxvision.data.batches import Feed, ResidentFeed, batches_of, load_resident, open_feed
from jaxvision.data.coco import COCOSource, open_coco
from jaxvision.data.digit_masks import DigitMasks, digit_masks
from jaxvision.data.duplicates import check_disjoint, find_duplicates, without_copies
from jaxvision.data.folder import FolderSource, open_folder
from jaxvision.data.folds import Folds, repeated_subsamples, rows_of, stratified_folds
from jaxvision.data.images import ImageError, decode_image, fit_image, read_image
from jaxvision.data.letterbox import Letterbox, Letterboxed, fit_to_canvas, letterbox
from jaxvision.data.mask_folder import open_masks
from jaxvision.data.masks import MaskedItem, MaskedSource
from jaxvision.data.objects import AnnotatedItem, AnnotatedSource, Objects
from jaxvision.data.padded import Padded, PaddedItem
from jaxvision.data.pictures import PictureSource, open_pictures
from jaxvision.data.scenes import DigitScenes, scenes
from jaxvision.data.sources import ArraySource, Item, Source, digits, open_data
from jaxvision.data.splits import Splits, complete_splits, stratified_split, train_validation_test
from jaxvision.data.streaming import StreamingFeed
from jaxvision.data.tfds import TfdsSource, open_tfds
from jaxvision.data.tfds_objects import TfdsObjects, open_tfds_objects
from jaxvision.data.verification import verify_data
from jaxvision.data.views import Fitted, Images, Subset
from jaxvision.data.voc import VOCSource, open_voc

__all__ = [
    "AnnotatedItem",
    "AnnotatedSource",
    "ArraySource",
    "COCOSource",
    "DigitMasks",
    "DigitScenes",
    "Feed",
    "Fitted",
    "FolderSource",
    "Folds",
    "ImageError",
    "Images",
    "Item",
    "Letterbox",
    "Letterboxed",
    "MaskedItem",
    "MaskedSource",
    "Objects",
    "Padded",
    "PaddedItem",
    "PictureSource",
    "ResidentFeed",
    "Source",
    "Splits",
    "StreamingFeed",
    "Subset",
    "TfdsObjects",
    "TfdsSource",
    "VOCSource",
    "batches_of",
    "check_disjoint",
    "complete_splits",
    "decode_image",
    "digit_masks",
    "digits",
    "find_duplicates",
    "fit_image",
    "fit_to_canvas",
    "leave_out_bad",
    "letterbox",
    "load_resident",
    "open_coco",
    "open_data",
    "open_feed",
    "open_folder",
    "open_masks",
    "open_pictures",
    "open_tfds",
    "open_tfds_objects",
    "open_voc",
    "read_image",
    "repeated_subsamples",
    "rows_of",
    "scenes",
    "stratified_folds",
    "stratified_split",
    "train_validation_test",
    "verify_data",
    "without_copies",
]

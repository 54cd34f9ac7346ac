"""Data augmentation inside the compiled program: pure functions of a key and an example.

    geometry   horizontal_flip, vertical_flip, alternating_flip, pad_and_crop, random_affine
    elastic    elastic_deformation: as if the image were printed on rubber
    objects    random_object_crop: a window of them, stretched to the image's size
    windows    random_patch: in the image's own pixels
    erasing    cutout, random_erasing
    colour     color_jitter
    mixing     mixup, cutmix: of batches
    building   compose, per_example; affine, by a given matrix

Image, boxes, segmentation and target move together. Every probability and strength may be a traced
array; at 0 each augmentation is the identity, to the bit.
"""

from jaxvision.augment.affine import affine, random_affine
from jaxvision.augment.color import (
    adjust_brightness,
    adjust_contrast,
    adjust_hue,
    adjust_saturation,
    color_jitter,
)
from jaxvision.augment.compose import compose, per_example
from jaxvision.augment.crop import pad_and_crop
from jaxvision.augment.elastic import elastic_deformation
from jaxvision.augment.erase import cutout, random_erasing
from jaxvision.augment.example import (
    Augmentation,
    Batch,
    BatchAugmentation,
    Example,
    RandomKey,
)
from jaxvision.augment.flip import alternating_flip, horizontal_flip, vertical_flip
from jaxvision.augment.mix import cutmix, mixup, partners
from jaxvision.augment.object_crop import random_object_crop
from jaxvision.augment.patch import random_patch

__all__ = [
    "Augmentation",
    "Batch",
    "BatchAugmentation",
    "Example",
    "RandomKey",
    "adjust_brightness",
    "adjust_contrast",
    "adjust_hue",
    "adjust_saturation",
    "affine",
    "alternating_flip",
    "color_jitter",
    "compose",
    "cutmix",
    "cutout",
    "elastic_deformation",
    "horizontal_flip",
    "mixup",
    "pad_and_crop",
    "partners",
    "per_example",
    "random_affine",
    "random_erasing",
    "random_object_crop",
    "random_patch",
    "vertical_flip",
]

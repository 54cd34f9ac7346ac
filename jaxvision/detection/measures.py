"""What was found, image by image, out of the arrays that an evaluation hands out."""

import numpy as np

from jaxvision.data.letterbox import Letterboxed
from jaxvision.detection.detections import Detections
from jaxvision.detection.found import Found


def detections_of(found: Found) -> list[Detections]:
    """The detections of each image, without the filling, in pixels of the canvas."""
    arrays = [np.asarray(x) for x in found]
    return [
        Detections(boxes[mask], scores[mask], labels[mask].astype(np.int32))
        for boxes, scores, labels, mask in zip(*arrays, strict=True)
    ]


def on_images(found: Found, canvas: Letterboxed) -> list[Detections]:
    """The same in pixels of the images, before they were fitted into the canvas."""
    return [
        one._replace(boxes=canvas.box_of(i).to_image(one.boxes, clip=True))
        for i, one in enumerate(detections_of(found))
    ]

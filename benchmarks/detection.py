"""The operations of detectors: ours compiled, and torchvision's.

    python -m benchmarks.detection                # pip install torchvision for its column

Non-maximum suppression of 2000 boxes, spread at random, of which most are kept, and in 20 clusters,
as a detector gives them. Its time depends on how many are kept; torchvision's search cannot end
before, and its first `most` boxes are taken. Pooling of 128 regions into 7 x 7, the value and the
gradient of the features, at the sizes of a small backbone and of VGG-16. In float32, compiled or
run once before; in turns, so that noise disturbs both alike: compare ratios.
"""

import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.alternate import alternate
from jaxvision.ops.nms import nms
from jaxvision.ops.roi import roi_align, roi_pool

try:
    import torch
    import torchvision
except (ImportError, OSError, RuntimeError):  # the last two: it does not go with this PyTorch
    torchvision = None

ROUNDS = 15
BOXES, SIDE, CLUSTERS = 2000, 600, 20
REGIONS, SIZE, STRIDE = 128, 7, 16


def random_boxes(random, count, height, width, smallest, largest):
    centres = random.uniform(0, (width, height), (count, 2))
    sides = random.uniform(smallest, largest, (count, 2))
    return np.concatenate([centres - sides / 2, centres + sides / 2], axis=1).astype(np.float32)


def clustered_boxes(random):
    objects = random_boxes(random, CLUSTERS, SIDE, SIDE, 60, 120)
    noise = random.normal(0, 5, (BOXES, 4)).astype(np.float32)
    return objects[random.integers(0, CLUSTERS, BOXES)] + noise


def suppression(boxes, scores, iou_threshold, most):
    ours = jax.jit(partial(nms, iou_threshold=iou_threshold, most=most))
    arrays = jnp.asarray(boxes), jnp.asarray(scores)
    ways = {"ours": lambda: jax.block_until_ready(ours(*arrays))}
    if torchvision is not None:
        tensors = torch.from_numpy(boxes), torch.from_numpy(scores)
        ways["torchvision"] = lambda: torchvision.ops.nms(*tensors, iou_threshold)[:most]
    return ways


def pooling(ours, theirs, features, boxes):
    @jax.jit
    def both(features, boxes):
        y, transpose = jax.vjp(lambda features: ours(features, boxes, SIZE, STRIDE), features)
        return y, transpose(y)

    arrays = jnp.asarray(features), jnp.asarray(boxes)
    ways = {"ours": lambda: jax.block_until_ready(both(*arrays))}
    if torchvision is not None:
        tensor = torch.from_numpy(np.ascontiguousarray(features.transpose(2, 0, 1)))[None]
        tensor, regions = tensor.requires_grad_(), [torch.from_numpy(boxes)]

        def run():
            tensor.grad = None
            y = theirs(tensor, regions)
            y.backward(y.detach())

        ways["torchvision"] = run
    return ways


def cases():
    random = np.random.default_rng(0)
    scores = random.uniform(size=BOXES).astype(np.float32)
    kinds = {
        "random": random_boxes(random, BOXES, SIDE, SIDE, 20, 120),
        "clustered": clustered_boxes(random),
    }
    for kind, boxes in kinds.items():
        for threshold in (0.5, 0.7):
            for most in (300, 2000):
                name = f"nms, {kind}, IoU {threshold}, most = {most}"
                yield name, suppression(boxes, scores, threshold, most)
    for h, w, c in ((16, 16, 128), (30, 40, 512)):
        features = random.standard_normal((h, w, c), dtype=np.float32)
        boxes = random_boxes(random, REGIONS, h * STRIDE, w * STRIDE, 20, 200)
        shape = f"{h} x {w} x {c}"
        yield f"roi_align, {shape}", pooling(roi_align, their_roi_align, features, boxes)
        yield f"roi_pool, {shape}", pooling(roi_pool, their_roi_pool, features, boxes)


def their_roi_align(features, regions):
    return torchvision.ops.roi_align(features, regions, SIZE, 1 / STRIDE, 2, aligned=True)


def their_roi_pool(features, regions):
    return torchvision.ops.roi_pool(features, regions, SIZE, 1 / STRIDE)


if __name__ == "__main__":
    device = jax.devices()[0].device_kind
    print(f"jax {jax.__version__} on {device}, {os.cpu_count()} CPU cores, {ROUNDS} rounds\n")
    print("| | ours, ms | x torchvision |\n| --- | ---: | ---: |")
    for name, ways in cases():
        seconds = alternate(ways, ROUNDS)
        ours = seconds.pop("ours")
        ratio = "".join(f"{theirs / ours:.2f}" for theirs in seconds.values())
        print(f"| {name} | {1e3 * ours:.2f} | {ratio} |", flush=True)

"""The operations of detectors: ours compiled, and torchvision's.

    python -m benchmarks.detection                # pip install torchvision for its column

Non-maximum suppression of 2000 boxes, spread at random, of which most are kept, and in 20 clusters,
as a detector gives them. Its time depends on how many are kept; torchvision's search cannot end
before, and its first `most` boxes are taken. Pooling of 128 regions into 7 x 7, the value and the
gradient of the features, at the sizes of a small backbone and of VGG-16. A YOLO from pixels to
boxes. In float32, compiled or run once before; in turns, so that noise disturbs both alike: compare
ratios.
"""

import os
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.alternate import alternate
from jaxvision.detection.config import DetectConfig
from jaxvision.detection.detectors import make_detector
from jaxvision.models.darknet import SMALL
from jaxvision.ops.nms import nms
from jaxvision.ops.platform import compiler_options
from jaxvision.ops.roi import roi_align, roi_pool

try:
    import torch
    import torchvision
except (ImportError, OSError, RuntimeError):  # the last two: it does not go with this PyTorch
    torchvision = None

ROUNDS = 15
BOXES, SIDE, CLUSTERS = 2000, 600, 20
REGIONS, SIZE, STRIDE = 128, 7, 16
CLASSES = 10


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


def inference(batch):
    """From pixels to boxes: the small YOLO, drawn at random, on scenes of 128 pixels; theirs is the
    same network and decoding, with channels last and torchvision's suppression by classes."""
    detector = make_detector(DetectConfig(), CLASSES, (128, 128, 1), ((), ()))
    images = np.random.default_rng(0).standard_normal((batch, 128, 128, 1), np.float32)
    variables = detector.model.init(jax.random.key(0), jnp.asarray(images), train=False)

    @jax.jit
    def ours(images):
        return detector.boxes(detector.model.apply(variables, images, train=False)[0])

    ours = ours.lower(jnp.asarray(images)).compile(compiler_options=compiler_options())
    array = jnp.asarray(images)
    ways = {"ours": lambda: jax.block_until_ready(ours(array))}
    if torchvision is not None:
        network = _torch_yolo().eval()
        tensor = torch.from_numpy(images.transpose(0, 3, 1, 2)).contiguous()
        tensor = tensor.to(memory_format=torch.channels_last)

        @torch.inference_mode()
        def run():
            grids = network(tensor).permute(0, 2, 3, 1)
            return [_torch_boxes(grid) for grid in grids]

        ways["torchvision"] = run
    return ways


def _torch_yolo():
    """`GridYOLO` on the small Darknet, up to its last map of stride 8, in PyTorch."""
    layers, before = [], 1
    for stage, pool in list(zip(SMALL["stages"], SMALL["pools"], strict=True))[:4]:
        for kernel, channels, stride in stage:
            layers += [
                torch.nn.Conv2d(before, channels, kernel, stride, kernel // 2, bias=False),
                torch.nn.BatchNorm2d(channels),
                torch.nn.LeakyReLU(0.1),
            ]
            before = channels
        if pool and stage is not SMALL["stages"][3]:
            layers.append(torch.nn.MaxPool2d(2))
    layers += [torch.nn.Conv2d(before, 128, 3, padding=1), torch.nn.LeakyReLU(0.1)]
    layers.append(torch.nn.Conv2d(128, 10 + CLASSES, 1))
    return torch.nn.Sequential(*layers).to(memory_format=torch.channels_last)


def _torch_boxes(grid):
    rows, columns, _ = grid.shape
    y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    said, classes = grid[..., :10].reshape(rows, columns, 2, 5), grid[..., 10:].clamp(0, 1)
    middle = (said[..., :2] + torch.stack([x, y], -1)[:, :, None]) * (128 / columns)
    sides = said[..., 2:4] ** 2 * 128
    boxes = torch.cat([middle - sides / 2, middle + sides / 2], -1).clamp(0, 128).reshape(-1, 4)
    best, labels = classes.max(-1)
    scores = (said[..., 4].clamp(0, 1) * best[..., None]).reshape(-1)
    labels = labels[..., None].expand(rows, columns, 2).reshape(-1)
    sure = scores >= 0.01
    boxes, scores, labels = boxes[sure], scores[sure], labels[sure]
    kept = torchvision.ops.batched_nms(boxes, scores, labels, 0.5)[:100]
    return boxes[kept], scores[kept], labels[kept]


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
    for batch in (1, 16):
        yield f"YOLO from pixels to boxes, {batch} of 128 x 128", inference(batch)


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

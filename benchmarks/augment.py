"""Augmentations in images a second: ours compiled, torchvision's on tensors, SciPy's by a loop.

    python -m benchmarks.augment                  # pip install torchvision for its columns
    python -m benchmarks.augment --rounds 21

Batches of bytes in, of floats out, at CIFAR's size and at ImageNet's. Ours draws for each image
anew. torchvision's transforms draw once for a batch: "a batch alike" is that, which does less work
than training asks for, and "each image" is a loop over the images. SciPy's is the affine map alone.
The ways are timed in turns, so that noise disturbs all of them alike; compare ratios.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass

import jax
import numpy as np
import scipy.ndimage
import tyro

from benchmarks.alternate import alternate
from jaxvision import augment
from jaxvision.ops.platform import compiler_options

try:
    import torch
    from torchvision.transforms import v2
except (ImportError, OSError, RuntimeError):  # the last two: it does not go with this PyTorch
    torch = None

CLASSES = 10
SIZES = {32: 512, 224: 32}  # side: batch


@dataclass(frozen=True)
class Config:
    rounds: int = 9
    each: bool = True  # torchvision by a loop over the images too, which takes most of the time


def cases(side: int) -> dict[str, tuple[augment.BatchAugmentation, Callable[[], Callable] | None]]:
    """Ours, and how torchvision's is made, if it has it."""
    each, pad = augment.per_example, side // 8
    flip, crop = augment.horizontal_flip(0.5), augment.pad_and_crop(pad, "reflect")
    return {
        "flip + pad_and_crop, reflect": (
            each(augment.compose(flip, crop)),
            lambda: v2.Compose([v2.RandomHorizontalFlip(), reflected_crop(side, pad)]),
        ),
        "horizontal_flip": (each(flip), lambda: v2.RandomHorizontalFlip()),
        "pad_and_crop, reflect": (each(crop), lambda: reflected_crop(side, pad)),
        "pad_and_crop, fill": (
            each(augment.pad_and_crop(pad)),
            lambda: v2.RandomCrop(side, padding=pad),
        ),
        "random_affine, fill": (
            each(augment.random_affine(0.1, 0.1, 15.0, 5.0)),
            lambda: v2.RandomAffine(
                15, (0.1, 0.1), (0.9, 1.1), 5, interpolation=v2.InterpolationMode.BILINEAR
            ),
        ),
        "random_affine, edge": (each(augment.random_affine(0.1, 0.1, 15.0, 5.0, "edge")), None),
        "cutout": (each(augment.cutout(side // 2)), None),
        "random_erasing": (
            each(augment.random_erasing(0.5)),
            lambda: v2.RandomErasing(value="random"),
        ),
        "color_jitter, brightness + contrast": (
            each(augment.color_jitter(0.4, 0.4)),
            lambda: v2.ColorJitter(0.4, 0.4),
        ),
        "color_jitter, all four": (
            each(augment.color_jitter(0.4, 0.4, 0.4, 0.1)),
            lambda: v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
        ),
        "mixup": (augment.mixup(1.0, CLASSES), None),
        "cutmix": (augment.cutmix(1.0, CLASSES), None),
    }


def reflected_crop(side: int, padding: int):
    return v2.RandomCrop(side, padding=padding, padding_mode="reflect")


def our_way(apply: augment.BatchAugmentation, batch: dict[str, np.ndarray]) -> Callable[[], None]:
    batch, key = jax.device_put(batch), jax.random.key(0)
    compiled = jax.jit(apply).lower(key, batch).compile(compiler_options())
    return lambda: jax.block_until_ready(compiled(key, batch))


def torch_ways(make: Callable, images: np.ndarray, config: Config) -> dict[str, Callable]:
    transform = make()
    tensors = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    ways = {"alike": lambda: transform(tensors.float())}
    if config.each:
        ways["each"] = lambda: torch.stack([transform(tensor.float()) for tensor in tensors])
    return ways


def scipy_way(images: np.ndarray) -> Callable[[], None]:
    """One rotation of each image, linear in between: rows and columns are turned, colours not."""
    cos, sin = np.cos(0.2), np.sin(0.2)
    matrix = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    middle = (np.array(images.shape[1:]) - 1) / 2
    offset = middle - matrix @ middle

    def run():
        for image in images:
            scipy.ndimage.affine_transform(
                image.astype(np.float32), matrix, offset, order=1, mode="grid-constant"
            )

    return run


def measure(side: int, size: int, config: Config) -> None:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (size, side, side, 3), np.uint8)
    labels = random.integers(0, CLASSES, size).astype(np.int32)
    batch = {"image": images, "label": labels, "mask": np.ones(size, bool)}
    print(f"\n{size} images of {side} x {side}\n")
    print("| images/s | ours | torchvision, a batch alike | each image | SciPy |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name, (apply, make) in cases(side).items():
        ways = {"ours": our_way(apply, batch)}
        if torch is not None and make is not None:
            ways |= torch_ways(make, images, config)
        if name.startswith("random_affine"):
            ways["SciPy"] = scipy_way(images)
        seconds = alternate(ways, config.rounds)
        cells = (
            f"{size / seconds[way]:,.0f}" if way in seconds else "-"
            for way in ("ours", "alike", "each", "SciPy")
        )
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def main(config: Config) -> None:
    device = jax.devices()[0].device_kind
    versions = f"jax {jax.__version__}" + (f", torch {torch.__version__}" if torch else "")
    print(f"{versions} on {device}, {os.cpu_count()} CPU cores, median of {config.rounds} rounds")
    for side, size in SIZES.items():
        measure(side, size, config)


if __name__ == "__main__":
    main(tyro.cli(Config, description=__doc__))

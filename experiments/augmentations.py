"""What does each augmentation do to a photograph, and how much of it helps with few digits?

    python -m experiments.augmentations
    python -m experiments.augmentations --examples 300 --seeds 5

(a) A photograph that ships inside scikit-learn, with a box around the temple, under each of them.
(b) A perceptron on `examples` of the digits, for each augmentation at six strengths: all strengths
and seeds of one are one compiled program, as a strength is a traced array. Everything is kept in a
run's directory; the picture and the table of `docs/augmentation.md` are copies of such a run's:

    cp runs/augmentations/augmentations.jpg docs/images

Of 100 digits the network learns to tell 89.4 % of the 359 test digits (medians of 3 seeds). Shifts
of up to a twentieth of the side, the best in validation, make that 91.1 %, and larger ones than a
seventh do harm: in 8 x 8 pixels that is one. Scale, rotation and shear change it by a point, which
is less than the standard error of 1.5. It gets worse with each pixel of `pad_and_crop`, and of
`cutout` from 2 on. What suits photographs of 32 pixels is another question.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments.command import run_experiment
from jaxvision import optim
from jaxvision.augment import (
    BatchAugmentation,
    color_jitter,
    cutmix,
    cutout,
    horizontal_flip,
    mixup,
    pad_and_crop,
    per_example,
    random_affine,
    random_erasing,
    vertical_flip,
)
from jaxvision.data import complete_splits, digits, load_resident
from jaxvision.inspect.picture import Picture, house_style
from jaxvision.models.mlp import MLP
from jaxvision.names import lookup
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.ops.metrics import correct
from jaxvision.ops.normalization import normalization_of
from jaxvision.train import run as files

SIDE = 192  # pixels of a tile
BOX = (36, 11, 170, 176)  # around the temple, in the first tile
TILES = {
    "as it is": None,
    "horizontal_flip(1)": per_example(horizontal_flip(1)),
    "vertical_flip(1)": per_example(vertical_flip(1)),
    "pad_and_crop(48, reflect)": per_example(pad_and_crop(48, "reflect")),
    "random_affine(shift=0.2)": per_example(random_affine(shift=0.2)),
    "random_affine(scale=0.5)": per_example(random_affine(scale=0.5)),
    "random_affine(rotation=30)": per_example(random_affine(rotation=30)),
    "random_affine(shear=30)": per_example(random_affine(shear=30, fill="edge")),
    "cutout(64)": per_example(cutout(64)),
    "random_erasing(1)": per_example(random_erasing(1)),
    "color_jitter(brightness=0.6)": per_example(color_jitter(brightness=0.6)),
    "color_jitter(contrast=0.6)": per_example(color_jitter(contrast=0.6)),
    "color_jitter(saturation=0.9)": per_example(color_jitter(saturation=0.9)),
    "color_jitter(hue=0.3)": per_example(color_jitter(hue=0.3)),
    "mixup(1, classes)": mixup(1.0, 2),
    "cutmix(1, classes)": cutmix(1.0, 2),
}
COLUMNS = 4

# name: an augmentation of a strength, and six strengths of which the first is none at all
SWEEPS = {
    "random_affine(shift)": (lambda s: random_affine(shift=s), (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)),
    "random_affine(scale)": (lambda s: random_affine(scale=s), (0.0, 0.05, 0.1, 0.2, 0.4, 0.8)),
    "random_affine(rotation)": (
        lambda s: random_affine(rotation=s),
        (0.0, 5.0, 10.0, 20.0, 40.0, 90.0),
    ),
    "random_affine(shear)": (lambda s: random_affine(shear=s), (0.0, 5.0, 10.0, 20.0, 30.0, 45.0)),
    "pad_and_crop(padding)": (pad_and_crop, (0, 1, 2, 3, 4, 5)),
    "cutout(size)": (cutout, (0, 1, 2, 3, 4, 5)),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """The sweep; the picture has no settings."""

    augmentations: tuple[str, ...] = tuple(SWEEPS)
    """Which of them."""
    examples: int = 100
    """Digits to learn from, drawn from the 1,077 of the training part."""
    steps: int = 300
    """Updates of each training."""
    batch_size: int = 50
    """Examples a step, drawn with replacement."""
    seeds: int = 3
    """Trainings at each strength; they differ in everything that is drawn."""
    learning_rate: float = 1e-3
    """Of Adam."""
    out: Path | None = None
    """The run's new directory. By default runs/augmentations, numbered if that is taken."""


SMOKE = Config(
    ("random_affine(shift)",), examples=50, steps=100, seeds=1
)  # what tests/test_experiments.py runs


def photographs() -> np.ndarray:
    """A temple and a flower, [2, SIDE, SIDE, 3] bytes."""
    import sklearn.datasets
    from PIL import Image

    images = sklearn.datasets.load_sample_images().images
    squares = [
        image[:, left : left + len(image)] for image, left in zip(images, (0, 140), strict=True)
    ]
    return np.stack([np.asarray(Image.fromarray(s).resize((SIDE, SIDE))) for s in squares])


@house_style
def draw_tiles(seed: int = 178) -> Picture:
    """Each augmentation of the temple, with what has become of the box."""
    photos = photographs()
    batch = {"image": photos, "label": np.arange(2), "mask": np.ones(2, bool)}
    box = np.array([[BOX], [BOX]], np.float32)
    boxed = batch | {"boxes": box, "box_mask": np.ones((2, 1), bool)}
    rows, size, gap, title = -(-len(TILES) // COLUMNS), 2.2, 0.12, 0.28
    height = size + title + gap
    figure = Picture(figsize=(COLUMNS * (size + gap) + gap, rows * height + gap), dpi=100)
    for i, (name, augment) in enumerate(TILES.items()):
        given = batch if name.startswith(("mixup", "cutmix")) else boxed
        out = given if augment is None else augment(jax.random.key(seed + i), given)
        row, column = divmod(i, COLUMNS)
        axes = figure.place(
            gap + column * (size + gap), gap + (rows - 1 - row) * height, size, size
        )
        axes.imshow(np.asarray(out["image"][0]).round().astype(np.uint8))
        axes.set_title(name, fontsize=10, pad=4)
        axes.set_axis_off()
        if "boxes" in out and out["box_mask"][0, 0]:
            left, top, right, bottom = np.asarray(out["boxes"][0, 0]) - 0.5  # imshow's: centres
            corners = [left, right, right, left, left], [top, top, bottom, bottom, top]
            axes.plot(*corners, color="#F0E442", lw=1.6, clip_on=False)
    return figure


def train(problem: dict[str, Any], config: Config, augment: BatchAugmentation, seed: jax.Array):
    """Accuracies in validation and test of a training with this augmentation."""
    model, optimizer = MLP(num_classes=10, widths=(128,)), optim.adam(config.learning_rate)
    normalize, data = problem["normalize"], problem["train"]
    init_key, step_key = jax.random.split(jax.random.key(seed))
    params = model.init(init_key, normalize(data["image"][:1]), train=False)

    def step(carry, i):
        params, opt_state = carry
        row_key, augment_key = jax.random.split(jax.random.fold_in(step_key, i))
        rows = jax.random.randint(row_key, (config.batch_size,), 0, config.examples)
        batch = {name: jnp.take(array, rows, axis=0) for name, array in data.items()}
        batch = augment(augment_key, batch)

        def loss(params):
            logits, _ = model.apply(params, normalize(batch["image"]), train=True)
            return categorical_cross_entropy(logits, batch["label"]).mean()

        updates, opt_state = optimizer.update(jax.grad(loss)(params), opt_state, params)
        return (optax.apply_updates(params, updates), opt_state), None

    (params, _), _ = jax.lax.scan(step, (params, optimizer.init(params)), jnp.arange(config.steps))

    def accuracy(part):
        logits, _ = model.apply(params, normalize(part["image"]), train=False)
        return correct(logits, part["label"]).mean()

    return {name: accuracy(problem[name]) for name in ("validation", "test")}


def load_problem(config: Config) -> dict[str, Any]:
    """A few digits to learn from, and all those of the other two parts."""
    splits = complete_splits(digits(), validation_fraction=0.2, test_fraction=0.2)
    few, validation, test = (load_resident(part) for part in splits)
    rows = np.random.default_rng(0).permutation(len(few["label"]))[: config.examples]
    few = {name: array[rows] for name, array in few.items()}
    parts = jax.device_put({"train": few, "validation": validation, "test": test})
    return parts | {"normalize": normalization_of([few["image"]])}


def sweep(
    problem: dict[str, Any], config: Config, make: Callable, strengths: tuple[float, ...]
) -> dict[str, np.ndarray]:
    """Accuracies of every strength and seed, [strengths, seeds], by one compiled program."""

    def lane(strength, seed):
        return train(problem, config, per_example(make(strength)), seed)

    over_seeds = jax.vmap(lane, in_axes=(None, 0))
    grid = jax.jit(jax.vmap(over_seeds, in_axes=(0, None)))
    return jax.device_get(grid(jnp.array(strengths), jnp.arange(config.seeds)))


def table(measured: dict[str, dict[str, np.ndarray]]) -> str:
    """Markdown: each strength of an augmentation and the test accuracy, a median over the seeds."""
    lines = ["| strength: test accuracy | none |" + " |" * 5, "| --- |" + " ---: |" * 6]
    for name, accuracies in measured.items():
        strengths, medians = SWEEPS[name][1], 100 * np.median(accuracies["test"], axis=1)
        cells = (f"{s:g}: {m:.1f} %" for s, m in zip(strengths, medians, strict=True))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def run(config: Config) -> dict[str, Any]:
    """Draws the picture and sweeps; returns what `result.json` holds.

    Its "test" is of the augmentation and strength that are best in validation.
    """
    if config.out is None:
        out = files.make_numbered(Path("runs"), "augmentations")
    else:
        files.check_free(out := config.out)
        out.mkdir(parents=True, exist_ok=True)
    record = {"config": dataclasses.asdict(config) | {"out": str(out)}}
    files.write_json(out / files.CONFIG, record)
    draw_tiles().savefig(out / "augmentations.jpg", pil_kwargs={"quality": 88})

    train_sweep = partial(sweep, load_problem(config), config)
    measured = {
        name: train_sweep(*lookup("augmentations", name, SWEEPS)) for name in config.augmentations
    }
    print(table(measured))
    medians = {
        (name, i): (np.median(accuracies["validation"][i]), np.median(accuracies["test"][i]))
        for name, accuracies in measured.items()
        for i in range(len(SWEEPS[name][1]))
    }
    name, i = max(medians, key=lambda one: medians[one][0])
    result = {
        "test": {
            "accuracy": float(medians[name, i][1]),
            "augmentation": name,
            "strength": SWEEPS[name][1][i],
        },
        "none": float(medians[name, 0][1]),
        "grid": jax.tree.map(lambda a: a.tolist(), measured),
    }
    files.write_json(out / files.RESULT, result)
    print(result["test"], "without any:", result["none"])
    return result


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)

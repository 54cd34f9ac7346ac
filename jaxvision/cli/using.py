"""Sub-commands for what was trained: measure it, ask it about images, look through its eyes."""

from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvision.classification import config as options
from jaxvision.cli.tasks import DEFAULT, TASKS, task_of_run

Run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]


def evaluate(
    run: Run,
    data: str | None = None,
    part: Literal["train", "validation", "test"] = "test",
) -> None:
    """Measure what was trained, as its task is measured: a classifier's accuracy, for example.

    Args:
        run: The directory that `jaxvision train` made.
        data: Another data set with the same classes, named as for `train`.
        part: Which part of the data.
    """
    title = f"{run} on {data or 'its data'}: {part}"
    task = task_of_run(run)
    if task != DEFAULT:
        measured = TASKS[task].module("trained").evaluate(run, data, part)
        TASKS[task].module("report").print_evaluation(measured, title)
        return
    from jaxvision.classification.classifier import evaluate as measure
    from jaxvision.classification.report import show_evaluation

    show_evaluation(*measure(run, data, part), title=title)


def predict(
    run: Run,
    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE...")],
    top: int = 5,
    score: float | None = None,
    out: Path | None = None,
) -> None:
    """Name the most probable classes of images; or draw what a detector finds, or a network makes.

    Args:
        run: The directory that `jaxvision train` made.
        images: Image files of any size and kind.
        top: How many classes to name.
        score: Of a detector: draw what it is at least so sure of; by default as its own test says.
        out: Where the pictures go that all but a classifier makes; by default beside RUN's files.
    """
    if not images:
        raise ValueError("`IMAGE...` is empty: name at least one image file")
    task = task_of_run(run)
    if task != DEFAULT:
        own = {"score": score} if task == "detection" else {}
        for line in TASKS[task].module("pictures").write_pictures(run, images, out=out, **own):
            print(line)
        return
    from jaxvision.classification import classifier

    if top < 1:
        raise ValueError(f"`--top` must be at least 1, got {top}")
    answers = classifier.predict(classifier.load_classifier(run), images, top)
    for path, answer in zip(images, answers, strict=True):
        print(path)
        for name, probability in answer:
            print(f"  {100 * probability:6.2f} %  {name}")


def features(
    pretrained: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NETWORK")],
    data: str = "digits",
    feature: str | None = None,
    pool: Literal["average", "max", "both", "spatial"] = "average",
    unit_length: bool = True,
    folds: int = 5,
    image_size: int | None = None,
    data_dir: Path | None = None,
    out: Path | None = None,
) -> None:
    """Compute what a network that has learned makes of images, and compare classifiers on it.

    Args:
        pretrained: vgg16, MODEL:WEIGHTS, MODEL:FILE, or the directory of a run.
        data: digits, folder:PATH or tfds:NAME.
        feature: Of the network, as stage3 or relu5_3; by default the last.
        pool: What becomes of a feature that has a height and a width.
        unit_length: Divide the features of each image by their length.
        folds: Of the cross-validation that chooses the setting of each classifier.
        image_size: Bring images to so many pixels a side; by default as the network has learned.
        data_dir: Where TensorFlow Datasets are. By default ~/tensorflow_datasets.
        out: Write the features into this new file, .npz.
    """
    from jaxvision.classification.report import show_features

    config = options.TrainConfig(
        pretrained=pretrained, data=data, image_size=image_size, data_dir=data_dir
    )
    show_features(config, feature, pool, unit_length=unit_length, folds=folds, out=out)

"""The sub-commands, and what becomes of their errors.

Everything that needs JAX is imported by the sub-command that uses it: `--help` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvision.classification import config as options
from jaxvision.classification.sweep_config import Sweep
from jaxvision.cli.painting import learn_style, style_or_apply
from jaxvision.cli.training import sweep_or_resume, train_or_resume
from jaxvision.style import config as style_options

DESCRIPTION = "A functional deep-learning toolkit for vision in JAX."
USAGE, FAILURE, INTERRUPTED = 2, 1, 130  # exit codes

USAGE_ERRORS = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError)

ContentPicture = Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="CONTENT")]
StylePictures = Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="STYLE...")]
Run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]


def make_app(*, all_options: bool, given: frozenset[str]) -> tyro.extras.SubcommandApp:
    """All commands.

    Args:
        all_options: whether the help of `train` has all options, or those that matter most.
        given: the options on the command line: one may be given the value that it has by default.
    """
    app = tyro.extras.SubcommandApp()
    group = tyro.conf.OmitArgPrefixes if all_options else tyro.conf.Suppress

    @app.command
    def train(
        main: Annotated[options.Main, tyro.conf.arg(name="")],
        reading: Annotated[options.Data, group],
        transfer: Annotated[options.Transfer, group],
        augmentation: Annotated[options.Augmentation, group],
        training: Annotated[options.Training, group],
        compute: Annotated[options.Compute, group],
        record: Annotated[options.Record, group],
        config: Path | None = None,
        resume: str = "never",
        allow_changed: tuple[str, ...] = (),
    ) -> None:
        """Train an image classifier, test it, and keep everything in a run's directory.

        --help-all shows the other options: data, transfer, augmentation, training, compute, record.

        Args:
            config: Settings from a file, JSON or TOML, by the options' names; options win.
            resume: RUN: go on with the run in this directory, by its own configuration. Or what to
                do if --out holds a run: never or must go on with it, or auto: if there is one.
            allow_changed: Settings in which the run may differ from what it began with.
        """
        groups = (main, reading, transfer, augmentation, training, compute, record)
        values = {name: value for group in groups for name, value in vars(group).items()}
        train_or_resume(options.TrainConfig(**values), given, config, resume, allow_changed)

    @app.command
    def sweep(
        search: Annotated[Sweep, tyro.conf.arg(name="")],
        main: Annotated[options.Main, tyro.conf.arg(name="")],
        reading: Annotated[options.Data, group],
        transfer: Annotated[options.Transfer, group],
        augmentation: Annotated[options.Augmentation, group],
        training: Annotated[options.Training, group],
        compute: Annotated[options.Compute, group],
        record: Annotated[options.Record, group],
        config: Path | None = None,
        resume: Path | None = None,
    ) -> None:
        """Train an image classifier with many settings at once, choose the best, and test it.

        --help-all shows the other options: data, transfer, augmentation, training, compute, record.

        Args:
            config: Settings from a file, JSON or TOML, by the options' names; options win.
            resume: Go on with the sweep in this directory, as it began; other options are refused.
        """
        groups = (main, reading, transfer, augmentation, training, compute, record)
        values = {name: value for group in groups for name, value in vars(group).items()}
        sweep_or_resume(search, options.TrainConfig(**values), given, config, resume)

    @app.command
    def style(
        content: ContentPicture = None,
        styles: StylePictures = (),
        *,
        files: Annotated[style_options.Files, tyro.conf.arg(name="")],
        painting: Annotated[style_options.Painting, tyro.conf.arg(name="")],
        optimization: Annotated[style_options.Optimization, group],
        network: Annotated[style_options.Network, group],
    ) -> None:
        """Paint a picture in the style of others, after Gatys, Ecker and Bethge.

        --help-all shows the other options: optimization, network. With --learned, a network paints.

        Args:
            content: The picture to paint; without any, an example is painted.
            styles: Pictures to paint it like.
        """
        style_or_apply(content, styles, files, painting, optimization, network, given)

    for command in (learn_style, evaluate, predict, features, models, summary):
        app.command(command)
    return app


def evaluate(
    run: Run,
    data: str | None = None,
    part: Literal["train", "validation", "test"] = "test",
) -> None:
    """Measure a trained classifier: loss, accuracy, and precision and recall of each class.

    Args:
        run: The directory that `jaxvision train` made.
        data: Another data set with the same classes: digits, folder:PATH or tfds:NAME.
        part: Which part of the data.
    """
    from jaxvision.classification.classifier import evaluate as measure
    from jaxvision.classification.report import show_evaluation

    show_evaluation(*measure(run, data, part), title=f"{run} on {data or 'its data'}: {part}")


def predict(
    run: Run,
    images: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="IMAGE...")],
    top: int = 5,
) -> None:
    """Name the most probable classes of images.

    Args:
        run: The directory that `jaxvision train` made.
        images: Image files of any size and kind.
        top: How many classes to name.
    """
    from jaxvision.classification import classifier

    if not images:
        raise ValueError("`IMAGE...` is empty: name at least one image file")
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


def models() -> None:
    """List the networks that `jaxvision train --model` knows."""
    from jaxvision.classification.report import show_models

    show_models()


def summary(
    model: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="MODEL")],
    image_size: int | None = None,
    channels: int = 3,
    classes: int = 1000,
    json: tyro.conf.FlagCreatePairsOff[bool] = False,
    diagram: Path | None = None,
) -> None:
    """Show a network: its parameters and costs, and what part of an image each feature sees.

    Args:
        model: Its name; `jaxvision models` lists them.
        image_size: Height and width of the images; by default what the network was made for.
        channels: Of the images.
        classes: Width of the head.
        json: Print everything as JSON.
        diagram: Draw the network into this file, .svg or .png.
    """
    from jaxvision.models import make_model

    network = make_model(model, classes)
    side = (network.image_size or 32) if image_size is None else image_size
    if min(side, channels) < 1:
        raise ValueError(
            f"`--image-size` and `--channels` must be at least 1, got {side} and {channels}"
        )
    if diagram is not None and diagram.suffix.lower() not in (".svg", ".png"):
        raise ValueError(f"`--diagram` must end in .svg or .png, got {diagram}")

    from jaxvision.inspect import plot_network, summarize_model

    found = summarize_model(network, (side, side, channels))
    if diagram is not None:
        plot_network(found, model).savefig(diagram)
    if json:
        from json import dumps

        print(dumps({"model": model, **found.to_dict()}, indent=2))
    else:
        from rich.console import Console

        Console().print(found)


def main() -> int:
    """Runs the command line; the exit code is 0, 1 for a failure, 2 for wrong usage.

    `--debug` anywhere shows the traceback of an error.
    """
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"]
    debug = len(arguments) < len(sys.argv) - 1
    app = make_app(
        all_options=not {"-h", "--help"} & set(arguments), given=_named_options(arguments)
    )
    arguments = ["--help" if argument == "--help-all" else argument for argument in arguments]
    try:
        app.cli(args=arguments, prog="jaxvision", description=DESCRIPTION)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        if hasattr(error, "exit_code"):  # an InterruptedRunError, whose module needs no import here
            code, text = error.exit_code, str(error)
        elif isinstance(error, USAGE_ERRORS):
            code, text = USAGE, str(error)
        elif isinstance(error, ArithmeticError | OSError | MemoryError | RuntimeError):
            code, text = FAILURE, str(error) or type(error).__name__
        else:
            code = FAILURE
            text = f"{type(error).__name__}: {error} (a defect of jaxvision; --debug shows where)"
        print(f"jaxvision: error: {' '.join(text.split())}", file=sys.stderr, flush=True)
        if "jaxvision.train.processes" in sys.modules and not hasattr(error, "exit_code"):
            from jaxvision.train.processes import leave

            leave(code)
        return code
    return 0


def _named_options(arguments: list[str]) -> frozenset[str]:
    """The fields of `TrainConfig` that the command line names, as --batch-size 64 or --no-flip."""
    words = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    names = {word.removeprefix("--").replace("-", "_") for word in words}
    return frozenset(names | {name.removeprefix("no_") for name in names})

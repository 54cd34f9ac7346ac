"""The `jaxvision` command: train, evaluate, predict, models, summary.

Everything that needs JAX is imported by the sub-command that uses it: `--help` answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

import tyro

from jaxvision.classification.config import TrainConfig

DESCRIPTION = "A functional deep-learning toolkit for vision in JAX."
USAGE, FAILURE, INTERRUPTED = 2, 1, 130  # exit codes

Run = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]

app = tyro.extras.SubcommandApp()


@app.command
def train(
    config: Annotated[TrainConfig, tyro.conf.arg(name="")], resume: Path | None = None
) -> None:
    """Train an image classifier, test it, and keep everything in a run's directory.

    Args:
        config: what to train.
        resume: Go on with the interrupted run in this directory, by its own configuration.
    """
    from jaxvision.classification import record, training

    if resume is None:
        training.train(config)
    else:
        _refuse_other_settings(config, record.read_config(resume), resume)
        training.resume(resume)


@app.command
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


@app.command
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


@app.command
def models() -> None:
    """List the networks that `jaxvision train --model` knows."""
    from jaxvision.classification.report import show_models

    show_models()


@app.command
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
    try:
        app.cli(args=arguments, prog="jaxvision", description=DESCRIPTION)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ValueError | FileNotFoundError | FileExistsError | NotADirectoryError):
            code, text = USAGE, str(error)
        elif isinstance(error, ArithmeticError | OSError | MemoryError | RuntimeError):
            code, text = FAILURE, str(error) or type(error).__name__
        else:
            code = FAILURE
            text = f"{type(error).__name__}: {error} (a defect of jaxvision; --debug shows where)"
        print(f"jaxvision: error: {' '.join(text.split())}", file=sys.stderr)
        return code
    return 0


def _refuse_other_settings(given: TrainConfig, own: TrainConfig, run: Path) -> None:
    """An option beside `--resume` would be ignored: it is refused, unless it says the same."""
    default = TrainConfig()
    differing = [
        f"--{name.replace('_', '-')} {getattr(given, name)} (the run has {getattr(own, name)})"
        for name in vars(given)
        if getattr(given, name) not in (getattr(default, name), getattr(own, name))
    ]
    if differing:
        raise ValueError(
            f"{run} goes on by its own configuration, which differs in {', '.join(differing)}: "
            "leave these options out, or start a new run"
        )

"""The sub-commands. Each imports what needs JAX itself, so that `--help` answers at once."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import tyro

from jaxvision.cli.checking import check_options
from jaxvision.cli.commands import command_of, sweeper, trainer
from jaxvision.cli.errors import run_command
from jaxvision.cli.filtering import filter_image
from jaxvision.cli.help_text import join_lines
from jaxvision.cli.inspecting import inspect
from jaxvision.cli.painting import learn_style, style_or_apply
from jaxvision.cli.tasks import DEFAULT, task_of
from jaxvision.cli.using import evaluate, features, predict
from jaxvision.cli.verifying import data_app
from jaxvision.style import config as style_options

DESCRIPTION = "A functional deep-learning toolkit for vision in JAX."

ContentPicture = Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="CONTENT")]
StylePictures = Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(metavar="STYLE...")]


def make_app(
    *, overview: bool, all_options: bool, given: frozenset[str], task: str = DEFAULT
) -> tyro.extras.SubcommandApp:
    """All commands.

    Args:
        overview: whether the help of a command is the first line of it.
        all_options: whether the help of `train` has all options, or those that matter most.
        given: the options on the command line: one may be given the value that it has by default.
        task: what `train` trains, which decides its options.
    """
    group = tyro.conf.OmitArgPrefixes if all_options else tyro.conf.Suppress

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

    commands = {
        "train": trainer(task, group, given),
        "sweep": sweeper(group, given),
        "style": style,
        "learn-style": learn_style,
        "evaluate": evaluate,
        "predict": predict,
        "inspect": inspect,
        "features": features,
        "models": models,
        "summary": summary,
        "filter": filter_image,
    }
    app = tyro.extras.SubcommandApp()
    for name, command in commands.items():
        first_line = (command.__doc__ or "").partition("\n")[0]
        app.command(command, name=name, help=first_line if overview else None)
    app.command(data_app, name="data", help="Look after the files of a data set.")
    return app


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
    return run_command(_run, sys.argv[1:], "jaxvision")


def _run(arguments: list[str]) -> None:
    task = task_of(arguments) if arguments[:1] == ["train"] else DEFAULT
    command = command_of(arguments, task)
    with nullcontext() if command is None else _ended_by_ctrl_c():
        if command is not None and {"-h", "--help", "--help-all"} & set(arguments):
            for part in command.parts:
                join_lines(part)
        elif command is not None:
            check_options(command, arguments[1:])
        app = make_app(
            overview=arguments[:1] in (["-h"], ["--help"]),
            all_options=not {"-h", "--help"} & set(arguments),
            given=_named_options(arguments),
            task=task,
        )
        arguments = ["--help" if argument == "--help-all" else argument for argument in arguments]
        app.cli(args=arguments, prog="jaxvision", description=DESCRIPTION)


@contextmanager
def _ended_by_ctrl_c() -> Iterator[None]:
    """Has Ctrl-C end the process at once, but while an `Interruption` takes it.

    Python's KeyboardInterrupt would be lost where it is raised in a callback, as JAX has one in the
    garbage collector: it is printed there and forgotten, and the run that nobody wants goes on.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _named_options(arguments: list[str]) -> frozenset[str]:
    """The fields of `TrainConfig` that the command line names, as --batch-size 64 or --no-flip."""
    words = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    names = {word.removeprefix("--").replace("-", "_") for word in words}
    return frozenset(names | {name.removeprefix("no_") for name in names})

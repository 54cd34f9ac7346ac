"""An experiment from the command line: its configuration as options, its errors as one line."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from jaxvision.cli.errors import run_command


def run_experiment(run: Callable[[Any], Any], config: type, description: str | None) -> None:
    """Runs it with the options of the command line, and ends the process; `--debug` shows the
    traceback of an error."""

    def command(words: list[str]) -> None:
        run(tyro.cli(config, args=words, description=description))

    sys.exit(run_command(command, sys.argv[1:], Path(sys.argv[0]).stem))

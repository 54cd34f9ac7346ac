"""An experiment from the command line: its configuration as options, its errors as one line."""

import dataclasses
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import tyro

from jaxvision.cli.errors import run_command
from jaxvision.cli.help_text import join_lines


def run_experiment(run: Callable[[Any], Any], config: type, description: str | None) -> None:
    """Runs it with the options of the command line, and ends the process; `--debug` shows the
    traceback of an error."""
    name = Path(sys.argv[0]).stem

    def command(words: list[str]) -> None:
        for part in (config, *get_type_hints(config).values()):
            if dataclasses.is_dataclass(part):
                join_lines(part)
        prog = f"python -m experiments.{name}"
        run(tyro.cli(config, args=words, prog=prog, description=description))

    sys.exit(run_command(command, sys.argv[1:], name))

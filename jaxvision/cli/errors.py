"""What becomes of an error that ends a command: a line, and an exit code that says whose it is."""

import sys
from collections.abc import Callable

USAGE, FAILURE, INTERRUPTED = 2, 1, 130  # exit codes

USAGE_ERRORS = (ValueError, FileNotFoundError, FileExistsError, NotADirectoryError)


def run_command(command: Callable[[list[str]], object], words: list[str], name: str) -> int:
    """Runs a command and returns its exit code; of an error, prints a line.

    Args:
        command: is given the words, without `--debug`.
        words: of the command line. With `--debug` among them an error goes its way.
        name: of the command, which the line begins with.
    """
    without = [word for word in words if word != "--debug"]
    try:
        command(without)
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if len(without) < len(words):
            raise
        code, line = explain(error)
        print(f"{name}: error: {line}", file=sys.stderr, flush=True)
        if "jaxvision.train.processes" in sys.modules and not hasattr(error, "exit_code"):
            from jaxvision.train.processes import leave

            leave(code)
        return code
    return 0


def explain(error: Exception) -> tuple[int, str]:
    """The exit code and the line for an error that ends a command."""
    code, text = FAILURE, str(error) or type(error).__name__
    if hasattr(error, "exit_code"):  # an InterruptedRunError, whose module needs no import here
        code = error.exit_code
    elif isinstance(error, USAGE_ERRORS):
        code = USAGE
    elif isinstance(error, MemoryError) and "Choose" not in text:  # Python's or NumPy's own
        text = (
            f"the memory of this machine does not suffice ({text}). Choose smaller images or "
            "batches: --size, --image-size, --batch-size"
        )
    elif not isinstance(error, ArithmeticError | OSError | MemoryError | RuntimeError):
        text = f"{type(error).__name__}: {error} (a defect of jaxvision; --debug shows where)"
    return code, " ".join(text.split())

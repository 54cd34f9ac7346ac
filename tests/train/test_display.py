"""What is shown: a bar on a terminal, plain lines in a file, and the same epoch lines on both."""

import io

from rich.console import Console

from jaxvision.train.display import Display

RECORD = {
    "epoch": 7,
    "train": {"loss": 0.12345, "accuracy": 0.98765},
    "validation": {"loss": 1.5, "accuracy": 1.0},
}


def shown(*, terminal, quiet=False):
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    display = Display(console, quiet=quiet)
    with display.bar(60, 18) as bar:
        bar.advance(3, "1,234 images/s")
        display.epoch(RECORD, 20, best=True, speed="1,234 images/s")
    return console.file.getvalue()


def test_a_file_gets_plain_lines_and_nothing_else():
    assert shown(terminal=False) == (
        "epoch  7/20   train loss  0.1235  accuracy  98.77 %"
        "   validation loss  1.5000  accuracy 100.00 % *  1,234 images/s\n"
    )


def test_a_terminal_gets_the_bar_of_the_whole_run_as_well():
    text = shown(terminal=True)
    assert "21/60" in text  # six epochs made before and one now, of three steps each
    assert "\x1b[" in text and "epoch  7/20" in text


def test_all_processes_but_one_are_quiet():
    assert shown(terminal=False, quiet=True) == ""


def test_steps_left_out_are_said():
    console = Console(file=io.StringIO(), width=100)
    Display(console).epoch(RECORD | {"skipped": 3}, 20, best=False)
    assert console.file.getvalue().endswith("100.00 %    3 steps left out\n")


def test_epoch_lines_are_aligned():
    lines = []
    for epoch, loss in ((1, 10.5), (20, 0.0001)):
        console = Console(file=io.StringIO(), width=40)  # narrower than the line: it must not wrap
        train = {"loss": loss, "accuracy": 0.5}
        record = {"epoch": epoch, "train": train, "validation": train}
        Display(console).epoch(record, 20, best=False)
        lines.append(console.file.getvalue())
    assert len(lines[0]) == len(lines[1]) and lines[0].count("\n") == 1


def test_a_table_is_under_its_title_and_a_path_is_never_taken_for_markup():
    console = Console(file=io.StringIO(), width=60)
    display = Display(console)
    display.table("Result", ["", "accuracy"], [["test", "98 %"]])
    display.note("runs/[bold]/x")
    text = console.file.getvalue()
    assert text.startswith("\nResult\n") and "98 %" in text and "runs/[bold]/x" in text

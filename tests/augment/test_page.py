"""The page about augmentation is true: its code runs, and it has all of them."""

import re
from pathlib import Path

from jaxvision import augment

PAGE = (Path(__file__).parents[2] / "docs" / "augmentation.md").read_text()


def test_the_example_runs(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "augmentation.md", "exec"), {})
    printed = capsys.readouterr().out
    assert printed == "float32 (64, 10)\n" and f"# {printed}" in block


def test_every_augmentation_is_on_the_page():
    helpers = {"partners"} | {name for name in augment.__all__ if name.startswith("adjust_")}
    functions = {name for name in augment.__all__ if name.islower()} - helpers
    assert all(f"`{name}" in PAGE for name in functions)

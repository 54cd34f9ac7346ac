"""What a network is and what it does, in figures and tables: functions to look with, not to train.

Each takes NumPy arrays and lists and returns a Matplotlib figure; nothing is shown, and no global
state is touched, for `pyplot` is never imported:

    plot_curves(history, best_epoch=17).savefig("curves.png")

In a notebook the figure as the last line of a cell is the picture. Matplotlib loads when a plot is
first asked for, so that whoever wants another part does not pay for it.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxvision.inspect.confusion import plot_confusion
    from jaxvision.inspect.curves import plot_curves
    from jaxvision.inspect.mistakes import plot_mistakes

__all__ = ["plot_confusion", "plot_curves", "plot_mistakes"]


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{name.removeprefix('plot_')}"), name)

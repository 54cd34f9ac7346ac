"""What a network is and what it does, in figures and tables: functions to look with, not to train.

The plots take NumPy arrays and lists and return a Matplotlib figure; nothing is shown, and no
global state is touched, for `pyplot` is never imported:

    plot_curves(history, best_epoch=17).savefig("curves.png")

In a notebook the figure as the last line of a cell is the picture. `summarize` reads a function of
images, whatever wrote it, as a program that it never runs:

    print(summarize_model(resnet50(num_classes=1000), (224, 224, 3)))

Each part loads when it is first asked for, so that whoever wants another does not pay for it. Two
are sub-packages: `pictures`, of what a network sees, and `gradients`, checked and of second order.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxvision.inspect.arithmetic import (
        conv_macs,
        conv_output_size,
        conv_parameters,
        dense_parameters,
        pool_output_size,
        receptive_field,
    )
    from jaxvision.inspect.boxes import draw_boxes, plot_boxes
    from jaxvision.inspect.calibration import plot_coverage, plot_reliability
    from jaxvision.inspect.confusion import plot_confusion
    from jaxvision.inspect.curves import plot_curves
    from jaxvision.inspect.detection_errors import plot_errors
    from jaxvision.inspect.diagram import plot_network
    from jaxvision.inspect.features import Feature, Summary
    from jaxvision.inspect.mistakes import plot_mistakes
    from jaxvision.inspect.normalization_axes import plot_normalization_axes
    from jaxvision.inspect.precision_recall import plot_precision_recall
    from jaxvision.inspect.restoration import plot_restoration
    from jaxvision.inspect.segmentation import (
        class_colors,
        draw_segmentation,
        overlay,
        plot_segmentation,
    )
    from jaxvision.inspect.shifts import plot_shift_response
    from jaxvision.inspect.summary import summarize, summarize_model

__all__ = [
    "Feature",
    "Summary",
    "class_colors",
    "conv_macs",
    "conv_output_size",
    "conv_parameters",
    "dense_parameters",
    "draw_boxes",
    "draw_segmentation",
    "overlay",
    "plot_boxes",
    "plot_confusion",
    "plot_coverage",
    "plot_curves",
    "plot_errors",
    "plot_mistakes",
    "plot_network",
    "plot_normalization_axes",
    "plot_precision_recall",
    "plot_reliability",
    "plot_restoration",
    "plot_segmentation",
    "plot_shift_response",
    "pool_output_size",
    "receptive_field",
    "summarize",
    "summarize_model",
]
_MODULES = {
    "Feature": "features",
    "Summary": "features",
    "class_colors": "segmentation",
    "draw_boxes": "boxes",
    "draw_segmentation": "segmentation",
    "overlay": "segmentation",
    "plot_coverage": "calibration",
    "plot_errors": "detection_errors",
    "plot_network": "diagram",
    "plot_reliability": "calibration",
    "plot_shift_response": "shifts",
    "summarize": "summary",
    "summarize_model": "summary",
}


def __getattr__(name: str):
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    own = name.removeprefix("plot_") if name.startswith("plot_") else "arithmetic"
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, own)}"), name)

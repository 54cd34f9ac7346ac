"""The paper that `jaxvision.inspect` draws on: one quiet style, lengths in inches, no global state.

`pyplot` keeps every figure it makes and picks a window system; a `Picture` does neither. It is a
Matplotlib figure that anyone may go on drawing on, and that ends with its last reference.
"""

import io

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

# Okabe & Ito's, told apart with every common colour blindness; grey is for their yellow, which a
# projector does not show on white.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#999999")
SMALL = 10  # points; nothing is written smaller, so that a projector shows it
STYLE = {
    "figure.autolayout": False,
    "figure.constrained_layout.use": False,
    "figure.dpi": 120,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "axes.grid": False,
    "axes.labelsize": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlesize": 12,
    "axes.titleweight": "normal",
    "font.size": 11,
    "legend.fontsize": 11,
    "lines.linestyle": "-",
    "lines.marker": "",
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "text.usetex": False,
    "text.parse_math": False,  # a class may be called "$5_bill"
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.titlecolor"), "0.15"),
    **dict.fromkeys(("xtick.labelcolor", "ytick.labelcolor"), "0.15"),
    **dict.fromkeys(("axes.edgecolor", "xtick.color", "ytick.color"), "0.35"),
}

house_style = matplotlib.rc_context(STYLE)  # a decorator: the user's settings come back at the end


class Picture(Figure):
    """A figure that is laid out in inches, and that a notebook shows."""

    def place(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """Adds axes at a place given in inches, where a layout engine would have to guess."""
        across, up = self.get_size_inches()
        return self.add_axes((left / across, bottom / up, width / across, height / up))

    def savefig(self, fname, **options):
        # "auto" is this figure's own white; a dark theme sets black, under our dark text.
        super().savefig(fname, **{"facecolor": "auto", **options})

    def _repr_png_(self) -> bytes:
        # Without pyplot nobody has told IPython how to show a figure, so it shows itself.
        png = io.BytesIO()
        self.savefig(png, format="png")
        return png.getvalue()


def text_width(text: str, points: int = SMALL) -> float:
    """Inches from the left to the right end of `text`, set in one line."""
    if not text.strip():  # Matplotlib fails to make an empty path
        return 0.0
    return TextPath((0, 0), text, size=points).get_extents().width / 72


def shorten(name: str, length: int) -> str:
    """The `name`, or its beginning and "…", in at most `length` characters."""
    return name if len(name) <= length else name[: length - 1].rstrip() + "…"


def readable_on(rgba: tuple[float, ...]) -> str:
    """Black or white, whichever has more contrast (WCAG 2.1: then at least 4.5 to 1)."""
    luminance = np.dot([0.2126, 0.7152, 0.0722], np.array(rgba[:3]) ** 2.2)
    return "black" if luminance > 0.179 else "white"

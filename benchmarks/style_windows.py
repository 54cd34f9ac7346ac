"""Loss and gradient of style transfer, whole and window by window: memory, and time by pixels.

    python -m benchmarks.style_windows                       # up to 2048 pixels, windows of 512
    python -m benchmarks.style_windows --sizes 512 1024 --windows 256 512

Needs `pip install -e '.[weights]'`. Squares cut from the photograph inside scikit-learn, VGG-16,
the Gram matrix. Memory is XLA's account of the program: temporary, arguments and results. A row
with one window is the image computed whole.
"""

import argparse
import time

import jax
import jax.numpy as jnp
import numpy as np

from jaxvision.ops.platform import compiler_options
from jaxvision.style.config import Settings
from jaxvision.style.encoder import load_encoder
from jaxvision.style.files import load_picture, own_pictures
from jaxvision.style.objective import Objective, Weights, losses, plan
from jaxvision.style.picture import resized
from jaxvision.style.synthesis import make_targets


def measure(encoder, content, style, window, rounds):
    """Megabytes, the median seconds of loss and gradient, and the windows."""
    size, objective = content.shape[:2], Objective()
    targets = make_targets(encoder, objective, Settings(window=window), size, content, [style])
    weights = Weights(np.float32(0.05), np.float32(1), np.float32(0), np.ones(1, np.float32))
    grid = plan(encoder, objective, *size, window)

    def loss(image, variables, targets):
        own = encoder._replace(variables=variables)
        return losses(own, objective, grid, image, targets, weights).total[0]

    arguments = (jnp.asarray(content)[None], encoder.variables, targets)
    both = jax.jit(jax.value_and_grad(loss), compiler_options=compiler_options())
    program = both.lower(*arguments).compile()
    found, seconds = program.memory_analysis(), []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        jax.block_until_ready(program(*arguments))
        seconds.append(time.perf_counter() - began)
    held = found.temp_size_in_bytes + found.argument_size_in_bytes + found.output_size_in_bytes
    return held / 2**20, float(np.median(seconds[1:])), grid


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="+", type=int, default=[512, 1024, 2048])
    parser.add_argument("--windows", nargs="+", type=int, default=[512])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    encoder = load_encoder()
    content, style = (load_picture(path)[:427, :427] for path in own_pictures())
    print("| image | window | windows | MB | s | microseconds a pixel |")
    print("| --- | --- | ---: | ---: | ---: | ---: |")
    for side in arguments.sizes:
        for window in arguments.windows:
            pictures = (resized(each, side, side) for each in (content, style))
            memory, seconds, grid = measure(encoder, *pictures, window, arguments.rounds)
            print(
                f"| {side} x {side} | {window} | {len(grid)} | {memory:,.0f} | {seconds:.2f} "
                f"| {1e6 * seconds / side**2:.2f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()

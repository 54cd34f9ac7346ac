"""What denoisers that learn nothing make of pictures, for the ones that learn to be compared with.

    python -m benchmarks.denoising images:set12                  # pip install scikit-image
    python -m benchmarks.denoising images:set12 --run runs/bsd400-dncnn

Non-local means (Buades, Coll & Morel, CVPR 2005) and wavelets (BayesShrink of Chang, Yu & Vetterli,
and VisuShrink of Donoho & Johnstone), as scikit-image has them, each given the strength of the
noise. What they leave open is chosen on the very pictures that they are measured on, in their
favour. The noise is that of `jaxvision evaluate`, float and not clipped, and so is the measuring.
"""

import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from jaxvision.restoration.config import DenoiseConfig
from jaxvision.restoration.material import open_test
from jaxvision.restoration.patches import Degraded
from jaxvision.restoration.problem import make_problem
from jaxvision.restoration.report import evaluate_on
from jaxvision.restoration.trained import load_restorer

try:
    import pywt  # noqa: F401 - what scikit-image needs for wavelets
    from skimage.restoration import denoise_nl_means, denoise_wavelet
except ImportError:
    raise SystemExit(
        "benchmarks.denoising compares with scikit-image and PyWavelets, which are not here: "
        "pip install scikit-image PyWavelets"
    ) from None

Denoise = Callable[[np.ndarray], np.ndarray]  # noisy [h, w, c], 0..255 -> the same, uint8


def ways(sigma: float) -> Iterator[tuple[str, list[tuple[str, Denoise]]]]:
    """Each way, with the settings that are tried."""
    shapes = product((3, 5, 7), (4, 5, 6, 8), (0.6, 0.7, 0.8))
    yield (
        "non-local means",
        [
            (f"patch {side}, distance {reach}, h {h} sigma", partial(_means, sigma, side, reach, h))
            for side, reach, h in shapes
        ],
    )
    names = ("db1", "db2", "db4", "sym4", "sym8", "bior4.4")
    bayes = product(("soft", "hard"), names)
    yield (
        "wavelets, BayesShrink",
        [
            (f"{name}, {mode}", partial(_wavelets, sigma, name, mode, "BayesShrink"))
            for mode, name in bayes
        ],
    )
    # The universal threshold is known to be too high for pictures: parts of it are tried as well.
    visu = product((1, 0.5, 0.35, 0.25), ("soft", "hard"), names)
    yield (
        "wavelets, VisuShrink",
        [
            (
                f"{name}, {mode}, {part} sigma",
                partial(_wavelets, part * sigma, name, mode, "VisuShrink"),
            )
            for part, mode, name in visu
        ],
    )


def _means(sigma: float, side: int, reach: int, h: float, noisy: np.ndarray) -> np.ndarray:
    options = {"patch_size": side, "patch_distance": reach, "h": h * sigma, "sigma": sigma}
    return _to_uint8(denoise_nl_means(noisy[:, :, 0], **options, fast_mode=True))


def _wavelets(sigma: float, name: str, mode: str, method: str, noisy: np.ndarray) -> np.ndarray:
    options = {"wavelet": name, "mode": mode, "method": method, "rescale_sigma": False}
    return _to_uint8(denoise_wavelet(noisy[:, :, 0], sigma=sigma, **options))


def _to_uint8(picture: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(picture, 0, 255)).astype(np.uint8)[:, :, None]


def main(
    data: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DATA")],
    sigma: float = 25.0,
    run: Path | None = None,
) -> None:
    """Compares denoisers on pictures.

    Args:
        data: The true pictures, named as for `jaxvision train`.
        sigma: The strength of the noise, in grey levels.
        run: What was learned, to be compared with.
    """
    problem = make_problem(DenoiseConfig(sigma=(sigma,)))
    pictures = Degraded(open_test(data, 1, 1), problem)
    print(f"{len(pictures)} pictures of {data} in grey, sigma {sigma:g}\n")
    print("| | PSNR, dB | SSIM | s a picture | settings, of so many |")
    print("| --- | ---: | ---: | ---: | --- |")
    for name, settings in ways(sigma):
        tried = [(*_measure(pictures, denoise), setting) for setting, denoise in settings]
        psnr, ssim, seconds, setting = max(tried)
        row = f"{psnr:.2f} | {ssim:.3f} | {seconds:.2f} | {setting}, of {len(tried)}"
        print(f"| {name} | {row} |", flush=True)
    if run is not None:
        restorer = load_restorer(run)
        _measure(pictures, restorer)  # compiles
        psnr, ssim, seconds = _measure(pictures, restorer)
        print(f"| {run} | {psnr:.2f} | {ssim:.3f} | {seconds:.2f} | |")


def _measure(pictures: Degraded, denoise: Denoise) -> tuple[float, float, float]:
    """(mean PSNR, mean SSIM, seconds a picture)."""
    spent = []

    def timed(noisy: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        restored = denoise(noisy)
        spent.append(time.perf_counter() - began)
        return restored

    figures = evaluate_on(pictures, timed).figures
    return figures["PSNR"], figures["SSIM"], float(np.mean(spent))


if __name__ == "__main__":
    tyro.cli(main)

"""Every differentiable function of `jaxvision.ops`, and small networks, have right gradients.

`CASES` has functions by name, "module.function" and a few words, with the arguments by which they
have a derivative. `WITHOUT` has the public names that are not among them, and why: a function of
`ops` that is in neither fails the test that all are there.
"""

import inspect
import pkgutil
from functools import partial
from importlib import import_module

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision import ops
from jaxvision.inspect.gradients import check_gradients
from jaxvision.models.density import DensityNetwork, MixtureDensityNetwork
from jaxvision.models.lenet import LeNet5
from jaxvision.models.mlp import MLP
from jaxvision.ops import image_metrics
from jaxvision.ops.densities import Gaussian, GaussianMixture, gaussian_nll, mixture_nll
from jaxvision.ops.losses import categorical_cross_entropy
from jaxvision.ops.nms import gaussian_decay

random = np.random.default_rng(0)


def normal(*shape):
    return random.normal(size=shape)


def positive(*shape):
    return random.uniform(0.5, 1.5, size=shape)


KEY = jax.random.key(0)
NONE, EDGES = ((0, 0), (0, 0)), ((1, 0), (0, 1))
IMAGES, MAP = normal(2, 5, 6, 3), normal(5, 6, 2)
SCALES = [positive(3), normal(3)]
MASK = jnp.asarray([True, False, True])
CLASSES = jnp.asarray([0, 3, 1])
PIXELS = jnp.asarray(random.integers(4, size=(3, 2, 2)))
PIXEL_MASK = jnp.asarray(random.integers(2, size=(3, 2, 2)) > 0)
GAUSSIAN = [normal(3, 2), positive(3, 2)]
MIXTURE = [normal(3, 2), normal(3, 2, 2), positive(3, 2, 2)]
# Boxes that overlap; no side is where another's is, and none in the middle of a pixel.
BOXES = np.array([[0.15, 0.35, 2.25, 1.9], [1.05, 1.1, 4.25, 3.1]])
OTHERS = np.array([[0.6, 0.0, 2.9, 1.4], [1.3, 2.0, 3.0, 4.7]])
MATRIX = np.array([[1.1, 0.2, 0.3], [-0.1, 0.9, -0.2]])
PHOTOS = [random.uniform(0, 1, (1, 12, 11, 1)), random.uniform(0, 1, (1, 12, 11, 1))]


def gaussian(loss):
    return lambda mean, deviation, *rest: loss(Gaussian(mean, deviation), *rest)


def mixture(loss):
    return lambda logits, means, deviations, *rest: loss(
        GaussianMixture(logits, means, deviations), *rest
    )


def conv(kernel, x=IMAGES, **settings):
    """`conv2d` by a kernel of that shape."""
    return (lambda fn: partial(fn, **settings)), [x, normal(*kernel)]


def SAME(fn):  # noqa: N802
    return fn


# "module.function words" -> (what is made of the function, its arguments)
CASES = {
    **{
        f"activations.{name}": (SAME, [normal(3, 4)])
        for name in ("elu", "leaky_relu", "relu", "scaled_tanh", "selu", "sigmoid", "tanh")
    },
    "activations.prelu": (SAME, [normal(3, 4), positive(4)]),
    "activations.maxout": (lambda fn: partial(fn, pieces=2), [normal(3, 4)]),
    "alpha_dropout.alpha_dropout": (lambda fn: lambda x: fn(x, 0.3, KEY), [normal(3, 4)]),
    # Mean and variance are for the running averages, and are said to have no derivative.
    "batch_norm.batch_norm": (lambda fn: lambda *a: fn(*a, 1e-3)[0], [IMAGES, *SCALES]),
    "batch_norm.batch_norm_relu": (lambda fn: lambda *a: fn(*a, 1e-3)[0], [IMAGES, *SCALES]),
    "batch_norm.normalize": (
        lambda fn: lambda *a: fn(*a, 1e-3), [IMAGES, normal(3), positive(3), *SCALES],
    ),
    "bicubic.reduce_bicubic": (lambda fn: partial(fn, factor=2), [normal(1, 4, 6, 1)]),
    "bicubic.enlarge_bicubic": (lambda fn: partial(fn, factor=2), [normal(1, 3, 2, 1)]),
    **{
        f"boxes.{name}": (SAME, [BOXES])
        for name in ("xyxy_to_cxcywh", "cxcywh_to_xyxy", "xyxy_to_xywh", "xywh_to_xyxy", "area")
    },
    **{
        f"boxes.{name}": (SAME, [BOXES, OTHERS])
        for name in ("iou", "iou_matrix", "giou", "diou", "encode", "decode")
    },
    "boxes.to_fractions": (lambda fn: partial(fn, height=3, width=4), [BOXES]),
    "boxes.to_pixels": (lambda fn: partial(fn, height=3, width=4), [BOXES]),
    "boxes.clip": (lambda fn: partial(fn, height=3, width=4), [BOXES]),
    "canonical_conv.canonical_conv": (
        lambda fn: lambda x, k: fn(x, k, (2, 1), EDGES, (1, 2)), [IMAGES, normal(3, 2, 3, 2)],
    ),
    "conv2d.conv2d, strided": conv((3, 3, 3, 2), stride=(2, 2), padding=EDGES),
    "conv2d.conv2d, dilated": conv((3, 3, 3, 2), dilation=(2, 1)),
    "conv2d.conv2d, depthwise": conv((3, 3, 1, 6), groups=3, padding=EDGES),
    "conv2d.pointwise_conv": (lambda fn: partial(fn, stride=(2, 1)), [IMAGES, normal(1, 1, 3, 2)]),
    "convolution.correlate": (
        lambda fn: partial(fn, mode="same", stride=2), [IMAGES, normal(3, 2, 3, 2), normal(2)],
    ),
    "convolution.convolve": (lambda fn: partial(fn, mode="full"), [normal(5), normal(3)]),
    "convolution.reverse": (SAME, [normal(3, 2)]),
    "convolution_gradients.kernel_gradient": (
        lambda fn: partial(fn, window=3), [normal(1, 6, 2), normal(1, 4, 3)],
    ),
    "convolution_gradients.input_gradient": (
        lambda fn: partial(fn, size=6), [normal(1, 4, 3), normal(3, 2, 3)],
    ),
    "dense_losses.pixel_cross_entropy": (
        lambda fn: lambda z, a, w: fn(z, PIXELS, PIXEL_MASK, class_weights=a, weights=w),
        [normal(3, 2, 2, 4), positive(4), positive(3, 2, 2)],
    ),
    "dense_losses.focal_loss": (
        lambda fn: lambda z, gamma, a: fn(z, PIXELS, MASK, gamma=gamma, class_weights=a),
        [normal(3, 2, 2, 4), np.float64(1.5), positive(4)],
    ),
    "dense_losses.soft_dice_loss": (
        lambda fn: lambda z, e, a: fn(z, PIXELS, PIXEL_MASK, smooth=e, class_weights=a),
        [normal(3, 2, 2, 4), np.float64(0.7), positive(4)],
    ),
    "dense_losses.soft_jaccard_loss": (
        lambda fn: lambda z, t, e: fn(z, t, MASK, smooth=e),
        [normal(3, 2, 2, 4), positive(3, 2, 2, 4), np.float64(0.7)],
    ),
    "dense_losses.pixel_squared_error": (
        lambda fn: lambda y, t: fn(y, t, PIXEL_MASK), [normal(3, 2, 2, 2), normal(3, 2, 2, 2)],
    ),
    "densities.softplus_deviation": (SAME, [normal(3, 2), np.float64(0.2)]),
    "densities.gaussian_nll": (gaussian, [*GAUSSIAN, normal(3, 2)]),
    "densities.mixture_nll": (mixture, [*MIXTURE, normal(3, 2)]),
    "densities.mixture_nll, masked": (
        lambda fn: lambda *a: mixture(fn)(*a, MASK), [*MIXTURE, normal(3, 2)],
    ),
    "densities.mixture_mean": (mixture, MIXTURE),
    "densities.mixture_variance": (mixture, MIXTURE),
    "densities.sample_gaussian": (lambda fn: gaussian(partial(fn, KEY)), GAUSSIAN),
    "densities.gaussian_cdf": (gaussian, [*GAUSSIAN, normal(3, 2)]),
    "densities.mixture_cdf": (mixture, [*MIXTURE, normal(3, 2)]),
    "filters.filter_image": (SAME, [IMAGES, normal(3, 2)]),
    "filters.filter_separable": (SAME, [IMAGES, normal(3), normal(2)]),
    "filters.unsharp_mask": (SAME, [IMAGES, normal(3), np.float64(0.5)]),
    "filters.gradient_magnitude": (SAME, [IMAGES]),
    "gram.gram_matrix": (SAME, [IMAGES]),
    "gram.gram_sum": (SAME, [IMAGES, positive(5, 6)]),
    "grouped_conv.grouped_conv, matrix products": (
        lambda fn: lambda x, k: fn(x, k, (1, 1), NONE, (1, 1), 9),
        [normal(1, 3, 3, 18), normal(2, 2, 2, 9 * 32)],
    ),
    "grouped_conv.grouped_conv, blocks": (
        lambda fn: lambda x, k: fn(x, k, (1, 2), EDGES, (1, 1), 2),
        [normal(1, 4, 4, 4), normal(3, 2, 2, 6)],
    ),
    "image_metrics.psnr": (lambda fn: partial(fn, peak=1), PHOTOS),
    "image_metrics.ssim": (lambda fn: partial(fn, peak=1), PHOTOS),
    "kernels.gaussian": (lambda fn: partial(fn, size=5), [np.float64(1.3)]),
    "kernels.sharpen": (SAME, [np.float64(0.8)]),
    "kernels.unsharp": (lambda fn: partial(fn, size=5), [np.float64(1.3), np.float64(0.8)]),
    "local_response.local_response_normalization": (
        lambda fn: partial(fn, size=3, alpha=0.3), [IMAGES],
    ),
    "losses.squared_error": (lambda fn: lambda y, t: fn(y, t, MASK), [normal(3, 2), normal(3, 2)]),
    "losses.smooth_l1": (SAME, [2 * normal(9)]),
    "losses.binary_cross_entropy": (
        lambda fn: lambda z, t: fn(z, t, MASK), [normal(3, 2), positive(3, 2)],
    ),
    "losses.categorical_cross_entropy": (
        lambda fn: lambda z: fn(z, CLASSES, MASK, label_smoothing=0.1), [normal(3, 4)],
    ),
    "losses.categorical_cross_entropy, of distributions": (SAME, [normal(3, 4), positive(3, 4)]),
    "metrics.masked_mean": (lambda fn: lambda x: fn(x, MASK), [normal(3)]),
    "narrow_conv.narrow_conv": (
        lambda fn: partial(fn, padding=EDGES), [IMAGES, normal(3, 2, 3, 4)],
    ),
    "nms.soft_nms": (
        lambda fn: lambda b, s: fn(b, s, gaussian_decay(0.5), most=3)[1],
        [np.concatenate([BOXES, OTHERS]), np.array([0.9, 0.8, 0.7, 0.3])],
    ),
    "noise.gaussian_noise": (
        lambda fn: partial(fn, KEY), [normal(2, 2, 2, 1), positive(2)],
    ),
    "noise.salt_and_pepper": (
        lambda fn: lambda x: fn(KEY, x, 0.3), [normal(1, 4, 4, 1)],
    ),
    "normalization.Normalization": (lambda fn: fn((0.5, 1.0, -2.0), (0.5, 3.0, 1.0)), [IMAGES]),
    "normalization.center_per_sample": (SAME, [IMAGES]),
    "normalization.standardize_per_sample": (lambda fn: partial(fn, eps=0.5), [IMAGES]),
    "normalization.instance_norm": (SAME, [IMAGES, *SCALES]),
    "normalization.instance_norm_relu": (SAME, [IMAGES, *SCALES]),
    "pooling.max_pool": (
        lambda fn: partial(fn, window=3, stride=2, padding=EDGES), [IMAGES],
    ),
    "pooling.max_pool, large": (lambda fn: partial(fn, window=6, stride=1), [normal(1, 7, 7, 1)]),
    "pooling.average_pool": (
        lambda fn: partial(fn, window=2, stride=1, dilation=2), [IMAGES],
    ),
    "pooling.global_max_pool": (SAME, [IMAGES]),
    "pooling.global_average_pool": (SAME, [IMAGES]),
    "pooling.adaptive_average_pool": (lambda fn: partial(fn, size=4), [IMAGES]),
    "resampling.affine_matrix": (
        SAME, [normal(2), np.float64(1.1), np.float64(20), np.float64(-10)],
    ),
    "resampling.affine_points": (
        lambda fn: partial(fn, height=5, width=6), [normal(3, 2), MATRIX],
    ),
    "resampling.affine_resample": (SAME, [MAP, MATRIX, normal(2)]),
    "resampling.resample": (
        SAME, [MAP, *random.uniform(-0.8, 5.3, size=(2, 5, 6)), normal(2)],
    ),
    "resampling.resample, edge": (
        lambda fn: partial(fn, fill="edge"), [MAP, *random.uniform(0.1, 3.9, size=(2, 5, 6))],
    ),
    "roi.roi_align": (lambda fn: partial(fn, size=2, stride=1.0), [MAP, BOXES]),
    "roi.roi_pool": (
        lambda fn: lambda x: fn(x, jnp.asarray(OTHERS), 2, 1.0), [MAP],
    ),
    "taps.window_taps": (
        lambda fn: lambda x: jnp.stack(fn(x, (2, 3), (2, 1), EDGES)), [IMAGES],
    ),
    "toeplitz.toeplitz_matrix": (lambda fn: partial(fn, size=5), [normal(3)]),
    "toeplitz.doubly_blocked_toeplitz_matrix": (
        lambda fn: partial(fn, height=4, width=3), [normal(2, 3)],
    ),
    "total_variation.total_variation": (SAME, [IMAGES]),
    "unpooling.max_pool_with_positions": (lambda fn: lambda x: fn(x, 3, 2, 1)[0], [IMAGES]),
    "unpooling.max_unpool": (
        lambda fn: lambda y: fn(y, jnp.asarray([1, 5, 8, 10]).reshape(1, 2, 2, 1), 4, 4),
        [normal(1, 2, 2, 1)],
    ),
    "upsampling.upsample_nearest": (lambda fn: partial(fn, factor=2), [normal(1, 2, 3, 2)]),
    "upsampling.upsample_bilinear": (
        lambda fn: partial(fn, height=5, width=4, align_corners=False), [normal(1, 3, 2, 2)],
    ),
    "upsampling.pixel_shuffle": (lambda fn: partial(fn, factor=2), [normal(1, 2, 3, 4)]),
    "upsampling.pixel_unshuffle": (lambda fn: partial(fn, factor=2), [normal(1, 4, 2, 1)]),
    "upsampling.transposed_conv2d": (
        lambda fn: partial(fn, stride=2, padding=1, output_padding=1),
        [normal(1, 3, 2, 2), normal(3, 3, 2, 2)],
    ),
    "winograd.winograd_conv": (
        lambda fn: partial(fn, padding=EDGES), [normal(1, 5, 6, 2), normal(3, 3, 2, 3)],
    ),
}  # fmt: skip

DISCRETE = "returns numbers of boxes, classes or places, which jump"
NUMPY = "computes in NumPy, on the host"
SIZES = "computes sizes"
CONSTANT = "returns constants"
COUNTS = "counts"
WITHOUT = {
    "anchors.anchors": CONSTANT,
    "bicubic.keys": NUMPY,
    "boxes.ciou": "its weight of the aspect ratio is held fixed, as in the paper: no true gradient",
    **dict.fromkeys(
        (f"calibration.{name}" for name in (
            "Reliability", "top_label", "equal_width", "equal_mass", "reliability", "coverage",
            "expected_calibration_error", "maximum_calibration_error", "fit_temperature",
            "temperature_nll",
        )),
        NUMPY,
    ),
    "convolution.check_arguments": SIZES,
    "convolution.per_axis": SIZES,
    "convolution.zeros_of": SIZES,
    "dense_losses.border_weights": NUMPY,
    **dict.fromkeys(
        ("densities.Gaussian", "densities.GaussianMixture", "densities.Modes"), "holds arrays"
    ),
    "densities.mixture_modes": "iterates to a fixed point, whose number is the start's",
    "densities.sample_mixture": "draws the component, which jumps",
    "image_metrics.ms_ssim": "of images from 176 x 176 on: it has a test of its own",
    **dict.fromkeys(
        (f"kernels.{name}" for name in ("binomial", "box", "laplacian", "sobel_x", "sobel_y")),
        CONSTANT,
    ),
    "kernels.gaussian_size": SIZES,
    "matching.match": DISCRETE,
    "matching.draw": DISCRETE,
    **dict.fromkeys(
        (f"metrics.{name}" for name in ("confusion_matrix", "correct", "top_k")), COUNTS
    ),
    "narrow_conv.is_narrow": SIZES,
    "narrow_conv.pixels_at_once": SIZES,
    "nms.nms": DISCRETE,
    "nms.class_nms": DISCRETE,
    "nms.gaussian_decay": "makes a function, which soft_nms is checked with",
    "nms.linear_decay": "makes a function with a jump at its threshold",
    "noise.poisson_noise": "draws whole photons",
    "normalization.normalization_of": NUMPY,
    **dict.fromkeys(
        (f"platform.{name}" for name in ("compiler_options", "prefers_cpu_form", "slow_in_loops")),
        "asks what machine this is",
    ),
    "pooling.ceil_padding": SIZES,
    "resampling.affine_resample_nearest": DISCRETE,
    "resampling.resample_nearest": DISCRETE,
    **dict.fromkeys(
        (f"segmentation_metrics.{name}" for name in (
            "confusion_counts", "dice_per_class", "iou_per_class", "mean_iou", "pixel_accuracy",
        )),
        COUNTS,
    ),
    "tiled_inference.apply_in_windows": NUMPY,
    "tiled_inference.overlap_tile": NUMPY,
    "upsampling.transposed_output_size": SIZES,
    **dict.fromkeys(
        (f"whitening.{name}" for name in (
            "PatchWhitening", "patch_whitening", "pca_whitening_of", "zca_whitening_of",
            "PcaWhitening", "ZcaWhitening",
        )),
        NUMPY,
    ),
    "winograd.winograd_pays": SIZES,
}  # fmt: skip


def weighted_sum(outputs):
    """A number that no two outputs enter alike."""
    return sum(
        jnp.sum(y * jnp.cos(jnp.arange(y.size, dtype=y.dtype)).reshape(y.shape))
        for y in jax.tree.leaves(outputs)
    )


# One check for all of a module, for most of the time is to compile: the leaf says which function.
GROUPS: dict[str, list[str]] = {}
for name in CASES:
    GROUPS.setdefault(name.split(".")[0], []).append(name)


@pytest.mark.parametrize("group", GROUPS)
def test_gradients_of_ops(group, unchecked):
    functions = {}
    for name in GROUPS[group]:
        module, function = name.split(",")[0].split(".")
        functions[name] = CASES[name][0](
            getattr(import_module(f"{ops.__name__}.{module}"), function)
        )

    def fn(arguments):
        return sum(weighted_sum(functions[name](*arguments[name])) for name in functions)

    check = check_gradients(fn, {name: CASES[name][1] for name in functions}, elements=24)
    assert check.verdict == "passes" and not check.kinks, str(check)
    assert check.forward_mode and all(leaf.elements for leaf in check.leaves)


def test_the_gradient_of_ms_ssim_along_a_line(unchecked):
    one, other = np.random.default_rng(1).uniform(0, 1, (2, 1, 176, 176, 1))

    def similarity(part):
        return image_metrics.ms_ssim(part * one + (1 - part) * other, one, peak=1)[0]

    # Five scales of eleven taps each way: most is to compile it, so once for values and gradient.
    @partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
    def look(parts):
        return jax.lax.map(jax.value_and_grad(similarity), parts)

    with jax.enable_x64(True):
        found = jax.tree.map(np.asarray, look(jnp.array([0.8 - 1e-5, 0.8, 0.8 + 1e-5])))
    (below, _, above), (_, gradient, _) = found
    np.testing.assert_allclose(gradient, (above - below) / 2e-5, rtol=1e-6)


def test_every_public_function_of_ops_is_checked_or_has_a_reason_not_to_be():
    public = set()
    for module in pkgutil.iter_modules(ops.__path__):
        found = import_module(f"jaxvision.ops.{module.name}")
        public |= {
            f"{module.name}.{name}"
            for name, value in vars(found).items()
            if not name.startswith("_")
            and callable(value)
            and getattr(value, "__module__", None) == found.__name__
            and (inspect.isclass(value) or callable(value))
        }
    checked = {name.split(",")[0] for name in CASES}
    assert public - checked - WITHOUT.keys() == set(), "add them to CASES"
    assert (checked | WITHOUT.keys()) - public == set(), "they are no more"
    assert not checked & WITHOUT.keys()


def network(model, shape):
    """The model's outputs as a function of its parameters, at images of that shape in float64."""
    images = normal(*shape)
    # To run the initializers takes seconds to compile.
    shapes = jax.eval_shape(partial(model.init, KEY, train=False), jnp.zeros(shape))["params"]
    params = jax.tree.map(lambda leaf: normal(*leaf.shape) / np.sqrt(leaf.size) + 0.1, shapes)

    def apply(params):
        return model.apply({"params": params}, jnp.asarray(images), train=False)[0]

    return apply, params


LABELS = jnp.asarray([1, 0])
TARGETS = normal(2, 1)
SMALL_MLP = partial(MLP, widths=(5, 4), activation=nn.tanh)
MODELS = {
    "mlp": (SMALL_MLP(3), (2, 2, 2, 1), lambda z: categorical_cross_entropy(z, LABELS)),
    "lenet5": (
        LeNet5(3, activation=nn.tanh), (2, 16, 16, 1),
        lambda z: categorical_cross_entropy(z, LABELS),
    ),
    "density": (
        DensityNetwork(body=SMALL_MLP(None)), (2, 2, 2, 1),
        lambda y: gaussian_nll(y, jnp.asarray(TARGETS)),
    ),
    "mixture density": (
        MixtureDensityNetwork(2, body=SMALL_MLP(None)), (2, 2, 2, 1),
        lambda y: mixture_nll(y, jnp.asarray(TARGETS)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_gradients_of_networks(name, unchecked):
    model, shape, loss = MODELS[name]
    apply, params = network(model, shape)
    check = check_gradients(lambda p: jnp.mean(loss(apply(p))), params, elements=6)
    assert check.verdict == "passes" and not check.kinks, str(check)
    assert {leaf.path.split("/")[0] for leaf in check.leaves} == set(params)

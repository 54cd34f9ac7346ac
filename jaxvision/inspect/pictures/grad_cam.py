"""Where a network sees a class: a feature's channels, weighted by what each does for the class.

Selvaraju, Cogswell, Das, Vedantam, Parikh & Batra, "Grad-CAM", ICCV 2017, section 3,
https://arxiv.org/abs/1610.02391. With y the logit of the class and A_k channel k of a feature of
Z = i x j places,

    alpha_k = 1/Z sum_ij dy / dA_k[i, j]            equation 1
    L       = ReLU(sum_k alpha_k A_k)               equation 2

brought to the size of the image by bilinear interpolation. On a network that averages A over its
places and ends in one dense layer W, dy / dA_k[i, j] = W_k / Z, and L is the class activation map
of Zhou et al., "Learning Deep Features for Discriminative Localization", CVPR 2016, equation 2
(https://arxiv.org/abs/1512.04150), up to ReLU and the factor 1/Z.

Guided Grad-CAM is the product of that map and guided backpropagation (section 3.1): as fine as the
pixels, and of the one class.
"""

import jax
from jaxtyping import Array, Float

from jaxvision.inspect.pictures.attribution import guided_backpropagation
from jaxvision.inspect.pictures.network import (
    Classes,
    Network,
    class_scores,
    run,
    spatial_feature_of,
)
from jaxvision.inspect.pictures.rewritten import split_at
from jaxvision.ops.upsampling import upsample_bilinear


def grad_cam(
    network: Network, images: Float[Array, "b h w c"], feature: str, classes: Classes = None
) -> Float[Array, "b h w"]:
    """Where what speaks for a class is, at the size of the images.

    Args:
        network: images -> (logits, features).
        images: what it classifies.
        feature: its name; the paper takes the last that has rows and columns.
        classes: one for each image; by default the most probable.

    Raises:
        ValueError: if there is no such feature, if it has no rows and columns, if the logits do not
            depend on it, or if a class is not one of the network's.
    """

    @jax.jit
    def compute(images):
        def checked(images):
            logits, features = run(network, images)
            return logits, {feature: spatial_feature_of(features, feature)}

        value, rest = split_at(checked, feature, images)
        # The gradient's images are apart in the sum, as each has its own logits.
        gradient = jax.grad(lambda value: class_scores(rest(value), classes).sum())(value)
        alpha = gradient.mean(axis=(1, 2), keepdims=True)
        located = jax.nn.relu((alpha * value).sum(axis=-1, keepdims=True))
        _, h, w, _ = images.shape
        return upsample_bilinear(located, h, w, align_corners=False)[..., 0]

    return compute(images)


def guided_grad_cam(
    network: Network, images: Float[Array, "b h w c"], feature: str, classes: Classes = None
) -> Float[Array, "b h w c"]:
    """`guided_backpropagation` where `grad_cam` is; signed. Arguments of `grad_cam`.

    Raises:
        ValueError: as `grad_cam`, or if the network has no ReLU.
    """
    where = grad_cam(network, images, feature, classes)
    return where[..., None] * guided_backpropagation(network, images, classes)

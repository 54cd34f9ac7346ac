"""The networks of torchvision and timm and ours are one function: same weights, same logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models import make_model
from jaxvision.pretrained import convert, merge

pytestmark = pytest.mark.parity

# Pixels a side: enough for every window, and no more than a quick test needs.
SIZES = {
    "alexnet": 95,
    "vgg11": 64,
    "vgg13": 48,
    "vgg16": 224,  # at its own size, where nothing is averaged before fc6
    "vgg19": 48,
    "vgg11_bn": 48,
    "vgg13_bn": 48,
    "vgg16_bn": 48,
    "vgg19_bn": 48,
    "googlenet": 96,
    "inception_v3": 139,
    "resnet18": 64,
    "resnet34": 64,
    "resnet50": 97,
    "resnet101": 64,
    "resnet152": 64,
    "resnext50_32x4d": 64,
    "resnext101_32x8d": 64,
    "resnext101_64x4d": 64,
    "wide_resnet50_2": 64,
    "wide_resnet101_2": 64,
    "densenet121": 97,
    "densenet161": 64,
    "densenet169": 64,
    "densenet201": 64,
}
AUXILIARY = ("googlenet", "inception_v3")


@pytest.mark.parametrize("name", SIZES)
def test_logits_are_torchvisions(name, torchvision):
    options = {"init_weights": False, "aux_logits": True} if name in AUXILIARY else {}
    theirs = getattr(torchvision.models, name)(weights=None, num_classes=10, **options)
    ours = make_model(name, 10, **({"auxiliary": True} if name in AUXILIARY else {}))
    assert_same_logits(name, ours, theirs, SIZES[name])


# Its 18 and 34 are other networks: their first shortcut begins before the first ReLU, ours after.
@pytest.mark.parametrize("depth", [50, 101, 152])
def test_logits_of_pre_activation_networks_are_timms(depth, torchvision):
    timm = pytest.importorskip("timm", reason="timm is not installed")
    theirs = timm.create_model(f"resnetv2_{depth}", num_classes=10)
    name = f"preact_resnet{depth}"
    assert_same_logits(name, make_model(name, 10), theirs, 64)


def assert_same_logits(name, ours, theirs, size):
    """Evaluates both on the same images, with everything in them drawn at random."""
    import torch

    torch.manual_seed(0)
    theirs = theirs.eval()
    # Statistics and biases of 0 and 1 would hide those that are mixed up.
    for module in theirs.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1)
            module.running_var.uniform_(0.5, 2)
    images = torch.randn(2, 3, size, size)
    with torch.no_grad():
        for parameter in theirs.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
        expected = theirs(images).numpy()

    inputs = jnp.asarray(images.permute(0, 2, 3, 1).numpy())
    tensors = {key: value.numpy() for key, value in theirs.state_dict().items()}
    shapes = jax.eval_shape(lambda: ours.init(jax.random.key(0), inputs, train=False))
    variables = merge(shapes, convert(name, tensors))
    actual, _ = ours.apply(variables, inputs, train=False)
    error = np.linalg.norm(actual - expected) / np.linalg.norm(expected)
    assert error < 1e-4, error

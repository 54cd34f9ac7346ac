"""A small copy of each class of models, quick to trace and to compile."""

from functools import partial

import pytest

from jaxvision.models import MODELS, LogisticRegression, make_model
from jaxvision.models.random_graphs import barabasi_albert

BATCH = 3

# One name for each class, and the attributes that make it quick to compile; None where none does.
SMALL = {
    "softmax_regression": {},
    "logistic_regression": {},
    "mlp": {},
    "self_normalizing_mlp": {},
    "lenet5": {},
    "lenet5_original": {},
    "alexnet": {"hidden": (8,)},
    "alexnet_2012": {"hidden": (8,)},
    "vgg11_bn": {"width": 4, "hidden": (8,)},
    "nin_cifar10": {},
    "googlenet": None,
    "googlenet_2014": None,
    "inception_v3": None,
    "resnet18": {"width": 4, "depths": (1, 1)},
    "cifar_resnet20": {"width": 4, "depths": (1, 1)},
    "preact_resnet50": {"width": 4, "depths": (1, 1)},
    "cifar_preact_resnet110": {"width": 4, "depths": (1, 1)},
    "densenet121": {"growth": 4, "depths": (1, 2), "stem_features": 8},
    "cifar_densenet_40_12": {"growth": 4, "depths": (1, 2), "stem_features": 8},
    "randwire_ba": {"width": 4, "nodes": 2, "generator": partial(barabasi_albert, attachments=1)},
}
each_class = pytest.mark.parametrize("name", SMALL)
each_small = pytest.mark.parametrize("name", [name for name in SMALL if SMALL[name] is not None])


def class_of(name):
    constructor = MODELS[name]
    return constructor.func if isinstance(constructor, partial) else constructor


def classes_with(attribute):
    return pytest.mark.parametrize("name", [n for n in SMALL if hasattr(class_of(n), attribute)])


def classes_of(name):
    return 2 if class_of(name) is LogisticRegression else 7


def size_of(model):
    return max(model.minimum_size, 8)


def small(name, **options):
    """A small copy; the network itself where there is none."""
    return make_model(name, classes_of(name), **(SMALL[name] or {}), **options)

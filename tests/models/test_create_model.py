"""A network by its name: the right one, with parameters, and errors that say what was meant."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.models import MODELS, LeNet5, create_model, make_model


def test_builds_the_network_and_draws_its_parameters():
    model, variables = create_model("lenet5", 10, in_channels=1)
    assert model == LeNet5(num_classes=10)
    expected = model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 1)), train=False)
    # Compiled or not, the same draws.
    np.testing.assert_allclose(
        variables["params"]["c3"]["kernel"], expected["params"]["c3"]["kernel"], rtol=1e-6
    )


@pytest.mark.parametrize("in_channels", [1, 3, 4])
def test_takes_any_number_of_channels(in_channels):
    model, variables = create_model("softmax_regression", 5, in_channels)
    assert variables["params"]["head"]["kernel"].shape == (32 * 32 * in_channels, 5)
    logits, _ = model.apply(variables, jnp.zeros((2, 32, 32, in_channels)), train=False)
    assert logits.shape == (2, 5)


def test_another_key_gives_other_parameters_and_the_size_decides_their_shape():
    _, first = create_model("mlp", 3, 1, image_size=8)
    _, second = create_model("mlp", 3, 1, image_size=8, key=jax.random.key(1))
    one, other = (tree["params"]["hidden1"]["kernel"] for tree in (first, second))
    assert one.shape == other.shape == (64, 256)
    assert not np.allclose(one, other)


def test_options_are_the_attributes_of_the_class():
    model = make_model("resnet50", 10, dtype=jnp.bfloat16, remat=True)
    assert (model.dtype, model.remat, model.num_classes) == (jnp.bfloat16, True, 10)
    assert model.depths == MODELS["resnet50"].keywords["depths"]
    assert make_model("mlp", 10, widths=(5,)).widths == (5,)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        (("resnet5",), {}, r"`model` is unknown: 'resnet5'. Did you mean `resnet5?\d*`\?"),
        (("ResNet50",), {}, r"Did you mean `resnet50`\?"),
        (("resnet50",), {"dtyp": None}, r"`option` is unknown: 'dtyp'. Did you mean `dtype`\?"),
        (("mlp",), {"widths": ()}, r"`widths` must name at least one hidden layer"),
        (("vgg16", 0), {}, r"`num_classes` must be at least 1, got 0"),
        (("vgg16", 10, 0), {}, r"`in_channels` must be at least 1, got 0"),
        (("vgg16",), {"image_size": 31}, r"at least 32 x 32 for VGG, got 31 x 31"),
    ],
)
def test_says_what_was_probably_meant(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        create_model(*arguments, **options)

"""Another head: the rest of the network is the same to the bit."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import pytest

from jaxvision.models import make_model
from jaxvision.transfer import replace_head

IMAGE = jnp.ones((1, 16, 16, 3))


@pytest.mark.parametrize(("name", "head"), [("lenet5", "output"), ("cifar_resnet20", "head")])
@pytest.mark.parametrize("before", [10, None])
def test_the_head_is_new_and_the_rest_is_not(name, head, before):
    model = make_model(name, before)
    variables = model.init(jax.random.key(0), IMAGE, train=False)
    other, changed = replace_head(model, variables, 3, IMAGE, jax.random.key(1))
    assert other == make_model(name, 3)
    logits, features = other.apply(changed, IMAGE, train=False)
    assert logits.shape == (1, 3)
    chex.assert_trees_all_equal(features, model.apply(variables, IMAGE, train=False)[1])
    new = changed["params"].pop(head)
    variables["params"].pop(head, None)
    chex.assert_trees_all_equal(changed, variables)
    drawn = make_model(name, 3).init(jax.random.key(1), IMAGE, train=False)["params"][head]
    chex.assert_trees_all_close(new, drawn, rtol=1e-6)


def test_what_does_not_fit_is_refused():
    lenet, resnet = make_model("lenet5", 10), make_model("cifar_resnet20", 10)
    variables = lenet.init(jax.random.key(0), IMAGE, train=False)
    with pytest.raises(
        ValueError, match=r"\[16, 16, 3\], but .*c1/bias is \[6\] and must be left out.* more: take"
    ):
        replace_head(resnet, variables, 3, IMAGE, jax.random.key(1))

    class Headless(nn.Module):
        num_classes: int | None

        @nn.compact
        def __call__(self, x, *, train):
            return nn.Dense(self.num_classes, name="last")(x.reshape(len(x), -1)), {}

    model = Headless(2)
    with pytest.raises(ValueError, match=r"must have a head, .*head or output, got one with last"):
        replace_head(
            model, model.init(jax.random.key(0), IMAGE, train=False), 3, IMAGE, jax.random.key(1)
        )

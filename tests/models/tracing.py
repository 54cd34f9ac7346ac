"""What a model makes of images of a shape, without computing it."""

import jax
import jax.numpy as jnp


def traced(model, shape):
    """Shapes of (logits, features, in their order) and of the variables; computes nothing."""
    names = []

    def init(key, images):
        (logits, features), variables = model.init_with_output(key, images, train=False)
        names.extend(features)  # jax sorts the names of what it returns
        return logits, features, variables

    images = jax.ShapeDtypeStruct(shape, jnp.float32)
    logits, features, variables = jax.eval_shape(init, jax.random.key(0), images)
    return (logits, {name: features[name] for name in names}), variables

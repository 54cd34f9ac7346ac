"""A transformation that is turned on later: a few epochs without the penalty, then with it.

    updates made so far < start    the updates pass unchanged, and the state stays what `init` made
                        >= start   `transform`

So the first network forms freely and is then held down, as in chain(delayed(l2(1e-4), 5 * steps),
scale_by_adam(), descend(rate)). A schedule inside counts from the moment it is turned on.
"""

import optax

from jaxvision.hyperparameters import Scalar, require
from jaxvision.optim.base import transformation


def delayed(transform: optax.GradientTransformation, start: Scalar) -> optax.GradientTransformation:
    """Passes the first `start` updates unchanged, and gives the following ones to `transform`.

    Args:
        transform: ours or any of Optax's; one that keeps the updates' dtypes.
        start: a number of updates, epochs times steps an epoch; 0 is from the beginning. It may be
            a traced array.

    Raises:
        ValueError: if `start` is a number that is negative or not finite.
    """
    require("start", start, "[0, inf)")
    inner = optax.conditionally_transform(transform, lambda count: count >= start)
    return transformation(optax.ConditionallyTransformState, inner.init, inner.update)

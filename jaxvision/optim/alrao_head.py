"""Alrao's last layer: copies of it, each with a rate of its own, averaged by how well they predict.

Blier, Wolinski & Ollivier, "Learning with Random Learning Rates", ECML-PKDD 2019, Algorithm 1,
https://arxiv.org/abs/1810.01322. With x = body(image) the features, y the label, k = 1 .. K:

    p_k(y|x) = softmax(x kernel_k + bias_k)_y                          copy k's prediction
    p(y|x)   = sum_k a_k p_k(y|x)                                      the network's
    rate_k   = eta_min^(1-f) eta_max^f,  f = (k - 1) / (K - 1)         and f = 1/2 if K = 1

    body:  along the gradient of -log p(y|x), at random rates (`jaxvision.optim.alrao`)
    copy:  along the gradient of its own -log p_k(y|x), at rate_k, as if it were alone
    a:     no gradient: a_k is the posterior probability that copy k is the one to follow

The posterior is that of `jaxvision.optim.model_averaging`: by Bayes' rule, or, as the paper
prefers, by the switch distribution, which soon finds a copy that becomes the best one late. As in
the authors' code a batch is *one* observation, whose log p_k is the mean over its examples;
multiply by their number for the product that Bayes' rule would take.

Where we deviate: a copy whose logits are not finite is left out of the mixture (even where the
switch gives it new weight) and of all gradients, and its likelihood is 0; the authors' code stops
at a NaN. With no copy left the prediction is NaN. A single copy's rate is the middle one, in the
authors' code eta_min.

A training step, for a Flax `body` that returns (features, ...), say with `num_classes=None`:

    rates = {
        "body": scale_by_random_rates(rates_key, 1e-5, 10.0),
        "heads": scale_by_head_rates(1e-5, 10.0),
    }
    rates = optax.partition(rates, {"body": "body", "heads": "heads"})
    optimizer = optax.chain(rates, descend(1.0))

    @jax.jit
    def train_step(params, opt_state, switch, batch):
        def objective(params):
            features, _ = body.apply({"params": params["body"]}, batch["image"], train=True)
            losses, log_likelihoods = alrao_losses(
                params["heads"], switch.log_weights, features, batch["label"], batch["mask"]
            )
            return losses.sum() / batch["mask"].sum(), log_likelihoods

        gradients, log_likelihoods = jax.grad(objective, has_aux=True)(params)
        updates, opt_state = optimizer.update(gradients, opt_state, params)
        params = optax.apply_updates(params, updates)
        return params, opt_state, switch_update(switch, log_likelihoods)

    heads = init_heads(heads_key, features=64, classes=10, copies=10)
    params = {"body": body.init(body_key, images, train=False)["params"], "heads": heads}
    opt_state, switch = optimizer.init(params), switch_init(copies=10)
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from jaxvision.hyperparameters import Scalar, require_whole
from jaxvision.optim.alrao import log_interpolate, require_interval
from jaxvision.optim.base import map_leaves, transformation

Heads = dict[str, Float[Array, "copies ..."]]  # {"kernel": [copies, d, c], "bias": [copies, c]}


def init_heads(key: PRNGKeyArray, features: int, classes: int, copies: int) -> Heads:
    """Draws each copy by itself, as Flax draws a dense layer: Var(kernel) = 1 / features, bias 0.

    Args:
        features: d, the length of the body's output.
        classes: c.
        copies: K; the paper takes 10.

    Raises:
        ValueError: if one of the three numbers is below 1.
    """
    for name, value in (("features", features), ("classes", classes), ("copies", copies)):
        require_whole(name, value, low=1)
    draw = jax.nn.initializers.lecun_normal(batch_axis=0)
    return {
        "kernel": draw(key, (copies, features, classes), jnp.float32),
        "bias": jnp.zeros((copies, classes), jnp.float32),
    }


def head_rates(eta_min: Scalar, eta_max: Scalar, copies: int) -> Float[Array, " copies"]:
    """rate_k of the module's equations, from `eta_min` to `eta_max` in equal ratios.

    Raises:
        ValueError: if `copies` is below 1, or the interval is not one of positive numbers
            (`jaxvision.optim.alrao.require_interval`).
    """
    require_whole("copies", copies, low=1)
    require_interval(eta_min, eta_max)
    fraction = jnp.linspace(0.0, 1.0, copies) if copies > 1 else jnp.array([0.5])
    return log_interpolate(eta_min, eta_max, fraction)


def scale_by_head_rates(eta_min: Scalar, eta_max: Scalar) -> optax.GradientTransformation:
    """Multiplies copy k's direction by rate_k; the copies are every parameter's first axis.

    Raises:
        ValueError: if the interval is not one of positive numbers (`head_rates`).
    """
    require_interval(eta_min, eta_max)

    def scale(u):
        rates = head_rates(eta_min, eta_max, copies=u.shape[0])
        return rates.reshape(-1, *[1] * (u.ndim - 1)) * u

    def init(params):
        del params
        return optax.EmptyState()

    def update(updates, state, params=None):
        del params
        return map_leaves(scale, updates), state

    return transformation(optax.EmptyState, init, update)


def mixture_log_probabilities(
    heads: Heads, log_weights: Float[Array, " copies"], features: Float[Array, "b d"]
) -> Float[Array, "b c"]:
    """log p(y|x) for every class: the network's prediction; NaN if no copy is left.

    Args:
        log_weights: log a_k; their sum may be any, -inf leaves a copy out.
    """
    log_p, usable = _log_probabilities(heads, features)
    log_a = jnp.where(usable, log_weights[:, None], -jnp.inf)
    log_sum = jax.nn.logsumexp(log_a[:, :, None] + log_p, axis=0)
    return log_sum - jax.nn.logsumexp(log_a, axis=0)[:, None]


def alrao_losses(
    heads: Heads,
    log_weights: Float[Array, " copies"],
    features: Float[Array, "b d"],
    labels: Int[Array, " b"],
    mask: Bool[Array, " b"] | None = None,
) -> tuple[Float[Array, " b"], Float[Array, " copies"]]:
    """The network's losses, whose one gradient trains the body and the copies each by its own.

    Args:
        mask: False for rows that do not count, whatever they hold -- NaN included.

    Returns:
        -log p(y|x) of every example, for the caller to average. Its gradient with respect to
        `features` is that of -log p(y|x), to copy k of `heads` that of -log p_k(y|x), to
        `log_weights` 0. And each copy's mean of log p_k(y|x), for `bayes_update` or
        `switch_update`: -inf for a copy that is not finite, 0 if no row counts.

        A label that is no class makes both NaN: under `jit` nothing can be raised.
    """
    if mask is None:
        mask = jnp.ones(labels.shape, bool)
    features, labels = jnp.where(mask[:, None], features, 0), jnp.where(mask, labels, 0)
    stop = jax.lax.stop_gradient
    mixture = mixture_log_probabilities(stop(heads), stop(log_weights), features)
    log_p, usable = _log_probabilities(heads, stop(features))
    log_p = jax.vmap(_of_label, in_axes=(0, None))(log_p, labels)  # [copies, b]
    # Zeros, of which only the gradient matters.
    own = jnp.sum(jnp.where(usable, log_p - stop(log_p), 0), axis=0)
    losses = -_of_label(mixture, labels) - own
    log_p = jnp.where(mask[None, :], jnp.where(usable, stop(log_p), -jnp.inf), 0)
    return jnp.where(mask, losses, 0), jnp.sum(log_p, axis=1) / jnp.maximum(jnp.sum(mask), 1)


def _log_probabilities(
    heads: Heads, features: Float[Array, "b d"]
) -> tuple[Float[Array, "copies b c"], Bool[Array, "copies b"]]:
    """log p_k for every class, and whether it is a number; where it is not, log p_k is anything."""
    # Before the product and not only after it: the features' gradient would be 0 times NaN.
    finite = jnp.isfinite(heads["kernel"]).all(axis=(1, 2))
    kernel = jnp.where(finite[:, None, None], heads["kernel"], 0)
    logits = jnp.einsum("bd,kdc->kbc", features, kernel) + heads["bias"][:, None, :]
    # Not finite if a logit is not, nor if log_softmax would overflow.
    spread = jnp.max(logits, axis=2) - jnp.min(logits, axis=2)
    usable = finite[:, None] & jnp.isfinite(spread)
    return jax.nn.log_softmax(jnp.where(usable[:, :, None], logits, 0)), usable


def _of_label(log_p: Float[Array, "b c"], labels: Int[Array, " b"]) -> Float[Array, " b"]:
    """log_p at each row's label; NaN for a label that is no class."""
    classes = log_p.shape[1]
    labels = jnp.where(labels < 0, classes, labels)  # "fill" counts -1 from the end
    return jnp.take_along_axis(log_p, labels[:, None], axis=1, mode="fill")[:, 0]

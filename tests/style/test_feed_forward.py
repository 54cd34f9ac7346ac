"""Training a network for one style: the loss is the objective's, the step is Adam's, and it learns.

With a small encoder drawn at random: what is tested is the training, and not what it paints.
"""

from itertools import pairwise

import chex
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim
from jaxvision.models.transform_net import TransformNet
from jaxvision.style.feed_forward import (
    OBJECTIVE,
    WEIGHTS,
    fit_transform_net,
    random_crops,
)
from jaxvision.style.network import apply_transform_net
from jaxvision.style.objective import (
    Objective,
    Targets,
    content_reference,
    losses,
    plan,
    style_reference,
)
from jaxvision.train import NonFiniteError, init_state
from tests.ops.agreement import QUICK

SIZE = 32
SHALLOW = Objective(content={"relu2_1": 1.0}, style={"relu1_1": 0.5, "relu2_1": 0.5})
SMALL = {"width": 2, "blocks": 1, "size": SIZE, "batch_size": 2}


@pytest.fixture(scope="module")
def fit(encoder):
    """Trains a small network on made-up photographs; options replace what is small."""
    style = striped(36, 40)
    images = np.random.default_rng(0).integers(0, 256, (3, 34, 37, 3), np.uint8)

    def fit(images=images, style=style, objective=SHALLOW, weights=WEIGHTS, **options):
        return fit_transform_net(encoder, objective, style, images, weights, **SMALL | options)

    return fit


def striped(height, width):
    image = np.zeros((height, width, 3), np.float32)
    image[:, ::4, 0] = image[:, 1::4, 0] = 0.9
    image[..., 2] = 0.7
    return image


def mirrored_photograph():
    """One that no crop and no mirror changes: of the crop's size, and symmetrical."""
    half = np.random.default_rng(1).integers(0, 256, (1, SIZE, SIZE // 2, 3), np.uint8)
    return np.concatenate([half, half[:, :, ::-1]], axis=2)


def test_the_first_step_is_adams_on_the_loss_of_the_objective(fit, encoder):
    photograph, style = mirrored_photograph(), striped(36, 40)
    weights = WEIGHTS._replace(content=500.0, style=2.0, total_variation=3.0)
    options = {"weights": weights, "learning_rate": 1e-2, "seed": 5}
    (progress,) = fit(photograph, style, steps=1, **options)

    model, x = TransformNet(width=2, blocks=1), jnp.asarray(photograph / np.float32(255))
    params = init_state(model, optim.sgd(1.0), x, jax.random.key(5)).params
    grid = plan(encoder, SHALLOW, SIZE, SIZE, SIZE)
    whole = plan(encoder, SHALLOW, 36, 40, 40)
    styles = (style_reference(encoder, SHALLOW, whole, jnp.asarray(style)[None]),)
    content = content_reference(encoder, SHALLOW, grid, x)

    def loss(params):
        painted, _ = model.apply({"params": params}, x, train=True)
        found = losses(encoder, SHALLOW, grid, painted, Targets(content, styles, {}), weights)
        return found.total[0], found

    differentiate = jax.jit(jax.value_and_grad(loss, has_aux=True), compiler_options=QUICK)
    (_, expected), gradient = differentiate(params)
    assert progress.step == 1 and set(progress.losses) == set(expected._fields)
    for name, value in expected._asdict().items():
        assert progress.losses[name] == pytest.approx(float(value[0]), rel=1e-4)
    parts = [expected.content[0] * 500, expected.style[0] * 2, expected.total_variation[0] * 3]
    assert min(parts) > 0.05 * sum(parts) > 0
    assert float(sum(parts)) == pytest.approx(progress.losses["total"], rel=1e-5)

    optimizer = optax.adam(1e-2)
    updates, _ = optimizer.update(gradient, optimizer.init(params), params)
    after = optax.apply_updates(params, updates)
    # Adam's first step is the gradient's sign: of a gradient of nothing but rounding, any.
    large = jax.tree.map(lambda g: np.abs(g) > 1e-4, gradient)
    assert np.mean(np.concatenate([x.ravel() for x in jax.tree.leaves(large)])) > 0.5
    jax.tree.map(
        lambda ours, theirs, seen: np.testing.assert_allclose(ours[seen], theirs[seen], atol=1e-5),
        progress.network.variables["params"],
        jax.device_get(after),
        large,
    )


def test_it_learns_and_tells_the_means_since_the_last_time(fit):
    each = list(fit(steps=24, learning_rate=1e-2, log_every=1))
    totals = [progress.losses["total"] for progress in each]
    assert [progress.step for progress in each] == list(range(1, 25))
    assert np.mean(totals[-4:]) < 0.6 * np.mean(totals[:2])

    seldom = list(fit(steps=24, learning_rate=1e-2, log_every=10))
    assert [progress.step for progress in seldom] == [10, 20, 24]
    for progress, (first, end) in zip(seldom, pairwise([0, 10, 20, 24]), strict=True):
        assert progress.losses["total"] == pytest.approx(np.mean(totals[first:end]), rel=1e-5)
        assert progress.losses["style"] == pytest.approx(
            np.mean([one.losses["style"] for one in each[first:end]]), rel=1e-5
        )
        # The same bits, whatever `log_every` is; and what was yielded stays as it was.
        chex.assert_trees_all_equal(
            progress.network.variables, each[progress.step - 1].network.variables
        )


def test_the_seed_decides_everything(fit):
    (first,), (again,), (other,) = (list(fit(steps=3, seed=seed)) for seed in (1, 1, 2))
    chex.assert_trees_all_equal(first.network.variables, again.network.variables)
    assert first.losses == again.losses
    assert first.losses["total"] != other.losses["total"]


def test_what_is_trained_can_be_applied(fit, picture):
    *_, last = fit(steps=2)
    assert last.network.model == TransformNet(width=2, blocks=1)
    painted = apply_transform_net(last.network, picture(21, 18))
    assert painted.shape == (21, 18, 3) and np.isfinite(painted).all()


def test_nobody_trains_who_does_not_ask(fit):
    progress = fit(steps=10**9, log_every=1)
    assert next(progress).step == 1
    progress.close()


def test_the_defaults_are_the_papers_layers():
    assert set(OBJECTIVE.style) == {"relu1_2", "relu2_2", "relu3_3", "relu4_3"}
    assert sum(OBJECTIVE.style.values()) == sum(OBJECTIVE.content.values()) == 1
    assert OBJECTIVE.relative and WEIGHTS.style == 1


def test_crops_are_parts_of_the_photographs_and_their_mirror_images():
    n, h, w, size = 2, 5, 7, 4
    numbers = np.arange(n * h * w, dtype=np.uint8).reshape(n, h, w, 1)
    images = np.concatenate([numbers, 255 - numbers, 0 * numbers], axis=3)
    crops = jax.jit(random_crops, static_argnums=(2, 3))(
        jax.random.key(0), jnp.asarray(images), 600, size
    )
    assert crops.shape == (600, size, size, 3) and crops.dtype == jnp.uint8
    places = {}
    for i, top, left in np.ndindex(n, h - size + 1, w - size + 1):
        part = images[i, top : top + size, left : left + size]
        places[part.tobytes()] = places[part[:, ::-1].tobytes()] = 0
    for crop in np.asarray(crops):
        places[crop.tobytes()] += 1  # and no other than these: KeyError
    # 32 of them, 18.75 times each; the deviation is 4.3.
    assert len(places) == 32 and min(places.values()) >= 2 and max(places.values()) <= 42


def test_a_loss_that_stays_infinite_ends_the_training(fit):
    endless = fit(steps=10**9, log_every=4, weights=WEIGHTS._replace(style=np.inf))
    with pytest.raises(NonFiniteError, match="not finite at step 10 and the 9 before it"):
        list(endless)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "`steps` must be a whole number from 1 on, got 0"),
        ({"batch_size": 0}, "`batch_size` must be a whole number from 1 on, got 0"),
        ({"size": 0}, "`size` must be a whole number from 1 on, got 0"),
        ({"log_every": 0}, "`log_every` must be a whole number from 1 on, got 0"),
        ({"width": 0}, "`width` must be a whole number from 1 on, got 0"),
        ({"size": 35}, r"`images` must be .* at least `size` = 35 .* got \[3, 34, 37, 3\]"),
        ({"size": 31}, "`size` and the sides of `style` must be at least 32 .* got 31 and 36 x 40"),
        ({"style": striped(36, 30)}, "must be at least 32 pixels.* got 32 and 36 x 30"),
        ({"images": np.zeros((0, 40, 40, 3), np.uint8)}, "`images` must be one or more"),
        ({"style": np.full((36, 36, 3), 255.0, np.float32)}, r"`style` must have values in \[0, 1"),
        ({"objective": OBJECTIVE._replace(content={"relu9_1": 1.0})}, "`layer` is unknown"),
        ({"weights": WEIGHTS._replace(styles=np.ones(2, np.float32))}, r"`weights.styles`.*\(2,\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_names_what_cannot_be_before_anything_is_computed(fit, options, message):
    with pytest.raises(ValueError, match=message):
        fit(**options)

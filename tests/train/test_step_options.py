"""What a step can do beside: parts of a batch, augmentation, an average, views, bfloat16."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim
from jaxvision.models import MLP, make_model
from jaxvision.models.cifar_resnet import CifarResNet
from jaxvision.models.layers import BatchNorm
from jaxvision.train import init_state, make_eval_step, make_train_step, mirrored

SIZE = (1, 8, 8, 1)
RESNET = CifarResNet(10, depths=(1, 1), width=4)


def first_batch(problem):
    feed = problem.train_feed
    handles, *_ = next(feed.pieces(0))
    return feed.gather(feed.data, jax.tree.map(lambda x: x[0], handles))


def last_batch(problem):
    """The one with 42 examples and 22 rows of filling."""
    feed = problem.train_feed
    handles, *_ = next(feed.pieces(0))
    return feed.gather(feed.data, jax.tree.map(lambda x: x[-1], handles))


@pytest.mark.parametrize("parts", [2, 4, 64])
@pytest.mark.parametrize("which", [first_batch, last_batch])
def test_a_batch_in_parts_gives_the_gradient_of_the_whole(problem, which, parts):
    batch, optimizer = which(problem), optim.sgd(0.5)  # Adam would hide a factor
    states, totals = [], []
    for accumulate in (1, parts):
        step = make_train_step(
            problem.model, optimizer, normalize=problem.normalization, accumulate=accumulate
        )
        state, total = step(init_state(problem.model, optimizer, jnp.zeros(SIZE), key()), batch)
        states.append(state.params)
        totals.append(total)
    chex.assert_trees_all_close(*states, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(*totals, rtol=1e-5)


def key():
    return jax.random.key(0)


@pytest.mark.parametrize(("accumulate", "message"), [(0, "at least 1"), (3, "divide the batch")])
def test_parts_that_cannot_be_are_refused(problem, accumulate, message):
    with pytest.raises(ValueError, match=rf"`accumulate` must .*{message}"):
        step = make_train_step(problem.model, problem.optimizer, accumulate=accumulate)
        step(problem.state(), first_batch(problem))


def test_parts_of_a_batch_do_not_drop_the_same(problem):
    def metrics(logits, batch):  # 0 if what was dropped is the same in both parts
        return {"difference": (1 - 2 * batch["label"]) * logits[:, 0]}

    model, batch = MLP(10, widths=(32,), dropout=0.5), first_batch(problem)
    # Part 0 has the even rows, part 1 the odd ones: here they have the same images.
    batch |= {"image": jnp.repeat(batch["image"][:32], 2, axis=0), "label": jnp.arange(64) % 2}
    step = make_train_step(
        model, problem.optimizer, metrics=metrics, normalize=problem.normalization, accumulate=2
    )
    state = init_state(model, problem.optimizer, jnp.zeros(SIZE), key())
    assert abs(step(state, batch)[1]["difference"]) > 0.1


def test_a_part_has_every_second_row_so_that_rows_stay_on_their_device():
    class Mean(nn.Module):
        @nn.compact
        def __call__(self, images, *, train):
            x = BatchNorm(train, momentum=0.5, name="bn")(images)
            return nn.Dense(2)(x.reshape(len(x), -1)), {}

    model, optimizer = Mean(), optim.sgd(0.1)
    images = jnp.broadcast_to((jnp.arange(8) % 2).reshape(8, 1, 1, 1), (8, 2, 2, 1))
    batch = {"image": images, "label": jnp.zeros(8, jnp.int32), "mask": jnp.ones(8, bool)}
    step = make_train_step(model, optimizer, accumulate=2)
    state, _ = step(init_state(model, optimizer, jnp.zeros((1, 2, 2, 1)), key()), batch)
    # The even rows have the mean 0, the odd ones 1: (0 / 2 + 0) / 2 + 1 / 2. Neighbours: 3 / 8.
    np.testing.assert_allclose(state.batch_stats["bn"]["mean"], [0.5])


def test_an_infinite_gradient_that_is_clipped_is_left_out_all_the_same(problem):
    def loss(logits, batch):  # the slope of the square root is infinite at 0, its value is not
        return jnp.sqrt(jnp.maximum(logits[:, 0] - jax.lax.stop_gradient(logits[:, 0]), 0))

    optimizer = optax.chain(optax.clip(1.0), optim.sgd(0.1))
    model = make_model("softmax_regression", 10)
    step = make_train_step(model, optimizer, loss, normalize=jnp.ones_like)
    state = init_state(model, optimizer, jnp.zeros(SIZE), key())
    batch = first_batch(problem) | {"image": jnp.ones((64, 8, 8, 1))}
    assert step(state, batch)[1]["skipped"] == 1


def test_an_augmentation_has_another_key_in_every_step_and_the_same_when_repeated(problem):
    def augment(key, batch):
        return batch | {"image": jax.random.uniform(key, batch["image"].shape)}

    def metrics(logits, batch):
        return {"pixel": batch["image"][:, 0, 0, 0]}

    step = make_train_step(problem.model, problem.optimizer, metrics=metrics, augment=augment)
    seen = []
    for _ in range(2):
        state = problem.state()
        for _ in range(3):
            state, totals = step(state, first_batch(problem))
            seen.append(float(totals["pixel"]))
    assert seen[:3] == seen[3:] and len(set(seen)) == 3


def test_an_augmentation_sees_pixels_and_the_network_their_normalisation(problem):
    def augment(key, batch):
        return batch | {"image": jnp.zeros_like(batch["image"])}

    def metrics(logits, batch):
        return {"first": logits[:, 0]}

    step = make_train_step(
        problem.model,
        problem.optimizer,
        metrics=metrics,
        normalize=problem.normalization,
        augment=augment,
    )
    state = problem.state()
    black = problem.normalization(jnp.zeros(SIZE, jnp.uint8))
    expected = problem.model.apply(state.variables, black, train=True)[0][0, 0]
    _, totals = step(state, first_batch(problem))
    np.testing.assert_allclose(totals["first"] / 64, expected, rtol=1e-5)


def test_the_average_is_that_of_the_variables_after_each_step(problem):
    optimizer, decay = optim.sgd(0.5), 0.8
    step = make_train_step(
        problem.model, optimizer, normalize=problem.normalization, average_decay=decay
    )
    state = init_state(problem.model, optimizer, jnp.zeros(SIZE), key(), average=True)
    chex.assert_trees_all_equal(state.eval_variables, state.variables)
    seen = []
    for _ in range(4):
        state, _ = step(state, first_batch(problem))
        seen.append(jax.device_get(state.variables))
    weights = decay ** np.arange(3, -1, -1.0)
    expected = jax.tree.map(lambda *w: np.average(w, axis=0, weights=weights), *seen)
    chex.assert_trees_all_close(state.eval_variables, expected, rtol=1e-5, atol=1e-7)
    assert state.average.count == 4
    assert problem.state().eval_variables is not None and problem.state().average is None


def test_views_are_averaged(problem):
    variables, batch = problem.state().variables, first_batch(problem)
    normalize = problem.normalization
    eval_step = make_eval_step(problem.model, normalize=normalize, views=(mirrored,))
    images = normalize(batch["image"])
    both = [problem.model.apply(variables, x, train=False)[0] for x in (images, images[:, :, ::-1])]
    np.testing.assert_allclose(eval_step(variables, batch)[1], sum(both) / 2, rtol=1e-5)


@pytest.mark.parametrize("spoiled", ["loss", "gradient", "update", "statistics", "input"])
def test_what_is_not_finite_changes_nothing_but_the_step(problem, spoiled):
    model = RESNET if spoiled == "statistics" else problem.model
    optimizer = optax.scale(np.inf) if spoiled == "update" else optim.adam(1e-3)
    batch = first_batch(problem)

    def loss(logits, batch):
        values = logits[:, 0] ** 2
        if spoiled == "loss":
            return values / 0
        if spoiled == "gradient":  # the square root's slope at 0 is infinite, its value is not
            return values * 0 + jnp.sqrt(values * 0)
        return values

    def normalize(images):
        if spoiled == "input":
            return images / 0.0
        if spoiled == "statistics":
            return jnp.full(images.shape, 1e30)  # whose square is infinite
        return images / 255

    step = make_train_step(model, optimizer, loss, normalize=normalize)
    state = init_state(model, optimizer, jnp.zeros(SIZE), key(), average=True)
    before = jax.device_get((state.params, state.batch_stats, state.opt_state, state.average))
    state, totals = step(state, batch)
    chex.assert_trees_all_equal(
        (state.params, state.batch_stats, state.opt_state, state.average), before
    )
    assert state.step == 1 and totals["skipped"] == 1 and totals["count"] == 0
    assert all(np.isfinite(total) for total in totals.values())


@pytest.mark.parametrize("position", range(20))
def test_a_nan_at_any_step_never_reaches_what_is_kept(problem, position):
    """Goal G18: at 20 positions of a run."""
    optimizer = optim.momentum(0.1, 0.9)

    def augment(key, batch):
        return batch | {"image": batch["image"] / jnp.where(batch["row"] == -1, 0.0, 1.0)[0]}

    def loss(logits, batch):
        losses = optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"])
        return jnp.where(batch["row"] == -1, jnp.nan, losses)

    step = make_train_step(MLP(10, widths=(8,)), optimizer, loss, augment=augment)
    state = init_state(MLP(10, widths=(8,)), optimizer, jnp.zeros(SIZE), key(), average=True)
    feed = problem.train_feed
    handles, *_ = next(feed.pieces(0))
    for i in range(position, min(position + 2, 20)):
        batch = feed.gather(feed.data, jax.tree.map(lambda x, i=i: x[i], handles))
        if i == position:
            batch["row"] = batch["row"].at[position].set(-1)
        state, totals = step(state, batch)
        assert totals["skipped"] == (i == position)
        for leaf in jax.tree.leaves(jax.device_get(state.replace(key=None))):
            assert np.isfinite(leaf).all()


def test_bfloat16_keeps_parameters_statistics_and_loss_in_float32(problem):
    model, optimizer = RESNET.clone(dtype=jnp.bfloat16), optim.sgd(0.1)
    step = make_train_step(model, optimizer, normalize=problem.normalization)
    state = init_state(model, optimizer, jnp.zeros(SIZE), key())
    program = step.lower(state, first_batch(problem)).as_text()
    assert "bf16" in program
    state, totals = step(state, first_batch(problem))
    kept = jax.tree.leaves((state.params, state.batch_stats, totals))
    assert {leaf.dtype for leaf in kept} == {np.dtype(np.float32)}

"""The step against the same step by hand, on real digits; and what it promises not to do."""

import chex
import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim
from jaxvision.models import LeNet5
from jaxvision.ops.losses import squared_error
from jaxvision.train import cross_entropy, init_state, make_eval_step, make_train_step, means


def first_batch(problem):
    feed = problem.train_feed
    handles, *_ = next(feed.pieces(0))
    return feed.gather(feed.data, jax.tree.map(lambda x: x[0], handles))


def test_a_step_is_gradient_then_optimizer_then_update(problem):
    state, batch = problem.state(), first_batch(problem)
    images = problem.normalization(batch["image"])

    def mean_loss(params):
        logits, _ = problem.model.apply({"params": params}, images, train=True)
        return optax.softmax_cross_entropy_with_integer_labels(logits, batch["label"]).mean()

    loss, gradients = jax.value_and_grad(mean_loss)(state.params)
    updates, opt_state = problem.optimizer.update(gradients, state.opt_state, state.params)
    expected = optax.apply_updates(state.params, updates)

    state, totals = problem.train_step(state, batch)
    # Adam divides by the gradient's size: where that is near zero, a rounding error is not.
    chex.assert_trees_all_close(state.params, expected, rtol=1e-4, atol=1e-6)
    chex.assert_trees_all_close(state.opt_state, opt_state, rtol=1e-4, atol=1e-7)
    assert state.step == 1
    np.testing.assert_allclose(means(totals)["loss"], loss, rtol=1e-5)


def test_masked_examples_change_nothing(problem):
    batch = first_batch(problem)
    short = {name: array[:40] for name, array in batch.items()}
    masked = {**batch, "mask": jnp.arange(64) < 40}
    # Not with Adam, whose steps do not depend on the gradient's scale: a mean over 64 rows in
    # place of 40 would go unseen.
    optimizer = optim.sgd(0.1)
    train_step = make_train_step(problem.model, optimizer, normalize=problem.normalization)
    states = [
        init_state(problem.model, optimizer, jnp.zeros((1, 8, 8, 1)), jax.random.key(0))
        for _ in range(2)
    ]
    from_short, short_totals = train_step(states[0], short)
    from_masked, masked_totals = train_step(states[1], masked)
    chex.assert_trees_all_close(from_masked.params, from_short.params, rtol=1e-4, atol=1e-6)
    assert masked_totals["count"] == short_totals["count"] == 40
    np.testing.assert_allclose(masked_totals["loss"], short_totals["loss"], rtol=1e-5)
    assert masked_totals["accuracy"] == short_totals["accuracy"]


def test_totals_are_sums_over_the_examples(problem):
    variables, batch = problem.state().variables, first_batch(problem)
    totals, logits = problem.eval_step(variables, batch)
    right = np.argmax(logits, axis=1) == np.asarray(batch["label"])
    assert totals["accuracy"] == right.sum() and totals["count"] == 64
    np.testing.assert_allclose(totals["loss"], cross_entropy(logits, batch).sum(), rtol=1e-6)
    assert means({"loss": 6.0, "accuracy": 3.0, "count": 4.0}) == {"loss": 1.5, "accuracy": 0.75}
    # An epoch whose every step was left out.
    assert np.isnan(means({"loss": 0.0, "count": 0.0})["loss"])


class Dropped(nn.Module):
    """Dropout on the pixels and batch normalisation: all that a step may touch but parameters."""

    @nn.compact
    def __call__(self, images, *, train):
        x = nn.Dropout(0.5, deterministic=not train)(images.reshape(images.shape[0], -1))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9, name="norm")(x)
        return nn.Dense(10, name="head")(x), {"dropped": x}


@pytest.fixture(scope="module")
def dropped():
    model, optimizer = Dropped(), optim.sgd(0.1)
    return (
        lambda seed=0: init_state(model, optimizer, jnp.zeros((1, 8, 8, 1)), jax.random.key(seed)),
        make_train_step(model, optimizer),
        make_eval_step(model),
    )


def test_randomness_is_a_function_of_key_and_step(problem, dropped):
    start, train_step, _ = dropped
    batch = first_batch(problem)
    losses = [float(train_step(start(), batch)[1]["loss"]) for _ in range(2)]
    assert losses[0] == losses[1]
    later = start().replace(step=jnp.array(1, jnp.int32))
    assert float(train_step(later, batch)[1]["loss"]) != losses[0]


def test_batch_statistics_move_in_training_and_rest_in_evaluation(problem, dropped):
    start, train_step, eval_step = dropped
    batch, before = first_batch(problem), start().batch_stats
    state, _ = train_step(start(), batch)
    # Running mean: 0.9 of 0 and 0.1 of the batch's, of which dropout keeps half and doubles it.
    assert float(jnp.abs(state.batch_stats["norm"]["mean"]).sum()) > 0
    chex.assert_trees_all_equal_shapes_and_dtypes(state.batch_stats, before)
    first, second = (eval_step(state.variables, batch)[0] for _ in range(2))
    chex.assert_trees_all_equal(first, second)


def test_the_state_is_arrays_only_and_its_structure_never_changes(problem):
    state = problem.state()
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(state))
    after, _ = problem.train_step(problem.state(), first_batch(problem))
    chex.assert_trees_all_equal_shapes_and_dtypes(after, state)


def test_the_state_passed_in_is_donated(problem):
    state = problem.state()
    problem.train_step(state, first_batch(problem))
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.params))


def test_any_loss_and_any_metric(problem):
    def loss(logits, batch):
        return squared_error(logits, jax.nn.one_hot(batch["label"], 10), batch["mask"])

    def metrics(logits, batch):
        return {"largest": logits.max(axis=1)}

    step = make_train_step(
        problem.model, problem.optimizer, loss, metrics, normalize=problem.normalization
    )
    _, totals = step(problem.state(), first_batch(problem))
    assert set(totals) == {"loss", "largest", "count", "skipped"}


def test_the_seed_decides_the_parameters(problem):
    chex.assert_trees_all_equal(problem.state(3).params, problem.state(3).params)
    first, second = (
        jax.tree.leaves(problem.state(3).params),
        jax.tree.leaves(problem.state(4).params),
    )
    assert any(not np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_images_of_another_channel_count_are_refused_in_one_line(problem):
    batch = first_batch(problem)
    coloured = {**batch, "image": jnp.repeat(batch["image"], 3, axis=-1)}
    with pytest.raises(ValueError, match=r"`images` must have 1 channel\(s\).*got 3"):
        problem.train_step(problem.state(), coloured)


@pytest.mark.parity
def test_ten_steps_of_lenet_equal_pytorch():
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(0)
    images = random.standard_normal((10, 8, 32, 32, 1)).astype(np.float32)
    labels = random.integers(0, 10, (10, 8))

    model, optimizer = LeNet5(10), optim.sgd(0.05)
    state = init_state(model, optimizer, jnp.zeros((1, 32, 32, 1)), jax.random.key(0))
    train_step = make_train_step(model, optimizer)

    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, 6, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Conv2d(6, 16, 5), torch.nn.ReLU(), torch.nn.MaxPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Linear(400, 120), torch.nn.ReLU(),
        torch.nn.Linear(120, 84), torch.nn.ReLU(),
        torch.nn.Linear(84, 10),
    )  # fmt: skip
    layers = [layer for layer in network if hasattr(layer, "weight")]
    with torch.no_grad():
        for layer, name in zip(layers, ("c1", "c3", "c5", "f6", "output"), strict=True):
            kernel = np.asarray(state.params[name]["kernel"])
            if name == "c5":  # rows in the order (height, width, map); PyTorch's is (map, h, w)
                kernel = kernel.reshape(5, 5, 16, 120).transpose(2, 0, 1, 3).reshape(400, 120)
            axes = (3, 2, 0, 1) if kernel.ndim == 4 else (1, 0)
            layer.weight.copy_(torch.tensor(kernel.transpose(axes)))
            layer.bias.copy_(torch.tensor(np.asarray(state.params[name]["bias"])))
    descent = torch.optim.SGD(network.parameters(), lr=0.05)

    for x, y in zip(images, labels, strict=True):
        batch = {"image": jnp.array(x), "label": jnp.array(y), "mask": jnp.ones(8, bool)}
        state, totals = train_step(state, batch)
        descent.zero_grad()
        loss = torch.nn.functional.cross_entropy(
            network(torch.tensor(x.transpose(0, 3, 1, 2))), torch.tensor(y)
        )
        loss.backward()
        descent.step()
        np.testing.assert_allclose(totals["loss"] / 8, loss.item(), rtol=1e-4)
    np.testing.assert_allclose(
        state.params["output"]["kernel"], layers[-1].weight.detach().T, rtol=1e-3, atol=1e-6
    )

"""The speedrun's network and recipes: facts that can be counted, and that it learns."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import cifar10
from benchmarks.cifar10_network import WhitenedNet, convolve, gelu, identity_init, whitening_kernel
from benchmarks.cifar10_recipes import RECIPES, orthogonal, triangle
from benchmarks.cifar10_training import SHIFT, Data, Trainer, augmented, padded
from jaxvision.inspect import summarize_model
from jaxvision.ops.platform import CPU, PLAIN, form

KEY = jax.random.key(0)
PARAMETERS = 24 + 9 * (24 * 64 + 64 * 64 + 64 * 256 + 3 * 256 * 256) + 2 * (64 + 256 + 256) + 2560
MACS = (
    31 * 31 * 12 * 24
    + 9 * (31 * 31 * 24 * 64 + 15 * 15 * 64 * 64 + 15 * 15 * 64 * 256)
    + 9 * 256 * 256 * (7 * 7 + 7 * 7 + 3 * 3)
    + 2560
)


def pictures(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_the_network_in_numbers():
    summary = summarize_model(WhitenedNet(10), (32, 32, 3))
    shapes = {feature.name: feature.shape[1:] for feature in summary.features}
    assert summary.parameters == PARAMETERS == 1_971_352
    assert summary.macs == MACS == 118_147_360
    assert shapes["whiten"] == (31, 31, 24) and shapes["block1"] == (15, 15, 64)
    assert shapes["block2"] == (7, 7, 256) and shapes["block3"] == (3, 3, 256)


@pytest.mark.parametrize("name, most", [("muon", 0.29), ("nesterov", 0.36)])
def test_the_whole_training_in_pflop(name, most):
    trainer = cifar10.make_trainer(cifar10.Config(recipe=name), 50_000)
    flops = cifar10.count_flops(trainer)
    images = trainer.steps * trainer.recipe.batch_size
    assert flops["pflop"] == pytest.approx(6 * MACS * images / 1e15)
    assert 0.95 * flops["pflop"] < flops["pflop_traced"] < flops["pflop"] <= most


def test_whitened_patches_are_uncorrelated():
    smooth = jax.random.normal(KEY, (50, 12, 12, 3)).cumsum(1).cumsum(2) / 10
    kernel = whitening_kernel(smooth, epsilon=0.0)
    out = jax.lax.conv_general_dilated(
        smooth, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC")
    ).reshape(-1, 24)
    np.testing.assert_allclose(out[:, :12].T @ out[:, :12] / len(out), np.eye(12), atol=2e-2)
    np.testing.assert_allclose(out[:, 12:], -out[:, :12], rtol=1e-6)


def test_an_identity_kernel_passes_its_input_on():
    kernel = identity_init(KEY, (3, 3, 4, 6))
    x = jax.random.normal(KEY, (2, 5, 5, 4))
    np.testing.assert_allclose(convolve(x, kernel, pool=False)[..., :4], x, rtol=1e-5, atol=1e-5)


def test_gelu_is_jaxs():
    x = jnp.linspace(-5, 5, 101)
    np.testing.assert_allclose(gelu(x), jax.nn.gelu(x, approximate=False), rtol=1e-4, atol=1e-6)
    expected = jax.vmap(jax.grad(lambda x: jax.nn.gelu(x, approximate=False)))(x)
    np.testing.assert_allclose(jax.vmap(jax.grad(gelu))(x), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("pool", [True, False])
def test_a_convolution_in_pieces_is_the_convolution(pool, monkeypatch):
    x, kernel = jax.random.normal(KEY, (10, 15, 15, 4)), jax.random.normal(KEY, (3, 3, 4, 8))

    def of_form(chosen):
        with form(chosen):
            return jax.jit(both)(x, kernel)

    def both(x, kernel):
        y, gradient = jax.vjp(lambda x, kernel: convolve(x, kernel, pool=pool), x, kernel)
        return y, *gradient(jnp.sin(y))

    monkeypatch.setattr("benchmarks.cifar10_network.PIECE_TILES", 32)  # pieces of two images
    for ours, plain in zip(of_form(CPU), of_form(PLAIN), strict=True):
        np.testing.assert_allclose(ours, plain, rtol=1e-4, atol=1e-4 * np.abs(plain).max())


@pytest.mark.parametrize("shape", [(40, 16), (16, 40)])
def test_an_orthogonal_direction_has_singular_values_near_1(shape):
    matrix = jax.random.normal(KEY, shape)
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    values = np.diag(u.T @ orthogonal(matrix) @ v.T)
    assert ((values > 0.5) & (values < 1.3)).all()


def test_a_triangle_rises_and_falls():
    rates = [float(triangle(100)(step)) for step in (0, 23, 100)]
    np.testing.assert_allclose(rates, [0.2, 1.0, 0.07], rtol=1e-6)


def test_two_epochs_see_both_sides_of_an_image():
    images = pictures(3)
    data = Data(jnp.asarray(padded(images, SHIFT)), jnp.arange(3), jnp.array([False, True, False]))
    rows, middle = jnp.array([2, 1]), jnp.full((2, 2), SHIFT)
    even, odd = (augmented(data, rows, middle, jnp.int32(epoch)) for epoch in (0, 1))
    np.testing.assert_array_equal(even, np.stack([images[2], images[1][:, ::-1]]))
    np.testing.assert_array_equal(odd, np.asarray(even)[:, :, ::-1])
    moved = augmented(data, rows, jnp.array([[0, 4], [2, 2]]), jnp.int32(0))
    np.testing.assert_array_equal(moved[0, 2:, :-2], images[2][:-2, 2:])


@pytest.mark.parametrize("name", RECIPES)
def test_a_few_steps_lower_the_loss(name, unchecked):
    recipe = RECIPES[name]._replace(batch_size=16)
    model = WhitenedNet(10, recipe.factor, widths=(24, 24, 24))
    trainer = Trainer(recipe, model, steps=10, steps_an_epoch=2)
    images, labels = jnp.asarray(pictures(16)), jnp.arange(16) % 10
    state, whitening = jax.jit(trainer.init)(KEY, images)
    step = jax.jit(trainer.step, static_argnums=4)
    biases, losses = [state.params["whiten_bias"]], []
    for number in range(8):
        with form(PLAIN):  # which compiles faster
            state, loss = step(state, whitening, images, labels, number < 6)
        biases.append(state.params["whiten_bias"])
        losses.append(float(loss))
    assert losses[5] < losses[0]
    assert (biases[1] != biases[0]).any()
    np.testing.assert_array_equal(biases[8], biases[6])  # it rests after three epochs
    if name == "muon":  # which brings each kernel back to this size before it steps
        size = jnp.linalg.norm(state.params["block2"]["conv2"]) / np.sqrt(24)
        assert 0.8 < size < 1.2


def test_finished_seeds_are_not_trained_again(tmp_path, monkeypatch, capsys):
    made = []

    class Programs:
        def __init__(self, *_):
            pass

        def train(self, seed):
            made.append(seed)
            return {"accuracy": 0.5, "accuracy_tta": 0.5 + seed / 10, "seconds": 2.0}

    arrays = {"image": pictures(4), "label": np.arange(4)}
    monkeypatch.setattr(cifar10, "load", lambda _: (arrays, arrays))
    monkeypatch.setattr(cifar10, "Programs", Programs)
    config = cifar10.Config(seeds=2, batch_size=2, epochs=1, out=tmp_path / "runs" / "out.jsonl")
    cifar10.run(config)
    cifar10.print_results(cifar10.run(dataclasses.replace(config, seeds=3)))
    cifar10.run(dataclasses.replace(config, seeds=1, epochs=2))
    assert made == [0, 1, 2, 0]
    assert len([json.loads(line) for line in config.out.read_text().splitlines()]) == 4
    output = capsys.readouterr().out
    assert "Mean 60.00 %, standard deviation 10.00, n = 3" in output
    assert "1.29 times the speed of its author's 2.59 s on an A100" in output


def test_settings_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="`batch_size` must be in"):
        cifar10.make_trainer(cifar10.Config(), 100)
    with pytest.raises(ValueError, match="`epochs` must be positive"):
        cifar10.make_trainer(cifar10.Config(epochs=0.0), 5000)


@pytest.mark.parity
def test_pytorchs_twin_is_the_same_function():
    pytest.importorskip("torch")
    from benchmarks.cifar10_torch import largest_difference

    images = np.random.default_rng(0).standard_normal((8, 32, 32, 3), dtype=np.float32)
    assert largest_difference(images) < 1e-4

"""Densities against closed forms, SciPy and loops in float64, at the extremes, and by theorems."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, special, stats

from jaxvision.ops.densities import (
    Gaussian,
    GaussianMixture,
    gaussian_cdf,
    gaussian_nll,
    mixture_cdf,
    mixture_mean,
    mixture_modes,
    mixture_nll,
    mixture_variance,
    sample_gaussian,
    sample_mixture,
    softplus_deviation,
)
from jaxvision.ops.losses import squared_error

B, K, D = 4, 3, 2
EXTREMES = (-1e4, 0.0, 1e4)
seeds = given(seed=st.integers(0, 2**31))
few = settings(deadline=None, max_examples=10)


def drawn_gaussian(random):
    return Gaussian(random.normal(size=(B, D)), random.uniform(0.3, 2, (B, D)))


def drawn_mixture(random, b=B, k=K, d=D):
    deviations = random.uniform(0.3, 2, (b, k, d))
    return GaussianMixture(
        random.normal(size=(b, k)), 2 * random.normal(size=(b, k, d)), deviations
    )


def density(mixture, i, x):
    """Of example i at points [..., d], by SciPy."""
    p = special.softmax(mixture.logits[i])
    parts = zip(p, mixture.means[i], mixture.deviations[i], strict=True)
    return sum(weight * stats.norm(m, s).pdf(x).prod(axis=-1) for weight, m, s in parts)


# --- by hand


def test_gaussian_by_hand():
    # A standard deviation away: 1/2 for the distance, log s for the width.
    predicted = Gaussian(jnp.array([[0.0], [1.0]]), jnp.array([[1.0], [np.e]]))
    loss = gaussian_nll(predicted, jnp.array([[1.0], [1.0 + np.e]]))
    half = 0.5 * np.log(2 * np.pi)
    np.testing.assert_allclose(loss, [0.5 + half, 1.5 + half], rtol=1e-6)


def test_mixture_by_hand():
    # Twice the same component is the component; a weight of 1/4 alone costs log 4.
    one = (jnp.zeros((1, 2, 1)), jnp.ones((1, 2, 1)))
    target, half = jnp.array([[2.0]]), 0.5 * np.log(2 * np.pi)
    for logits in ([[0.0, 0.0]], [[5.0, -3.0]]):
        loss = mixture_nll(GaussianMixture(jnp.array(logits), *one), target)
        np.testing.assert_allclose(loss, [2 + half], rtol=1e-6)
    far = GaussianMixture(
        jnp.log(jnp.array([[1.0, 3.0]])), jnp.array([[[2.0], [1e3]]]), jnp.ones((1, 2, 1))
    )
    np.testing.assert_allclose(mixture_nll(far, target), [np.log(4) + half], rtol=1e-6)


def test_moments_by_hand():
    # 1/4 at -3, 3/4 at 1: mean 0; variance of the places 9/4 + 3/4, and of the widths 1/4 + 3.
    mixture = GaussianMixture(
        jnp.log(jnp.array([[1.0, 3.0]])),
        jnp.array([[[-3.0], [1.0]]]),
        jnp.array([[[1.0], [2.0]]]),
    )
    np.testing.assert_allclose(mixture_mean(mixture), [[0]], atol=1e-6)
    np.testing.assert_allclose(mixture_variance(mixture), [[6.25]], rtol=1e-6)


def test_softplus_deviation_by_hand():
    z = jnp.array([-1e4, 0.0, np.log(np.e - 1), 1e4])
    expected = [0.5, 0.5 + np.log(2), 1.5, 1e4 + 0.5]
    np.testing.assert_allclose(softplus_deviation(z, 0.5), expected, rtol=1e-6)
    np.testing.assert_allclose(softplus_deviation(z)[0], 1e-3, rtol=1e-6)
    gradient = jax.grad(lambda z: softplus_deviation(z).sum())(z)
    np.testing.assert_allclose(gradient, [0, 0.5, 1 - 1 / np.e, 1], rtol=1e-6)


# --- the extremes


def test_never_nan_at_1e4_in_value_or_gradient():
    """Every logit, mean and z at -1e4, 0 and 1e4, with targets there, too."""
    grid = np.array(np.meshgrid(*[EXTREMES] * 7, indexing="ij"), np.float32).reshape(7, -1, 1)
    # Two components each: [3^7, 2, 1].
    logits, means, z = (jnp.asarray(grid[i : i + 2].swapaxes(0, 1)) for i in (0, 2, 4))
    targets = jnp.asarray(grid[6])

    def mixture_losses(logits, means, z):
        deviations = softplus_deviation(z)
        return mixture_nll(GaussianMixture(logits[..., 0], means, deviations), targets)

    def gaussian_losses(mean, z):
        return gaussian_nll(Gaussian(mean, softplus_deviation(z)), targets)

    for losses, arguments in (
        (mixture_losses, (logits, means, z)),
        (gaussian_losses, (means[:, 0], z[:, 0])),
    ):
        loss, pull = jax.vjp(losses, *arguments)
        assert np.isfinite(loss).all() and len(loss) == 3**7
        for gradient in pull(jnp.ones_like(loss)):
            assert np.isfinite(gradient).all()


def test_logits_of_1e4_choose_one_component():
    mixture = GaussianMixture(
        jnp.array([[1e4, -1e4]]), jnp.array([[[1.0], [5.0]]]), jnp.array([[[1.0], [2.0]]])
    )
    target, half = jnp.array([[5.0]]), 0.5 * np.log(2 * np.pi)
    # That it is the second's target is not worth the 20,000 that its logit is behind.
    np.testing.assert_allclose(mixture_nll(mixture, target), [8 + half], rtol=1e-6)
    np.testing.assert_array_equal(mixture_mean(mixture), [[1]])
    np.testing.assert_array_equal(mixture_variance(mixture), [[1]])


@pytest.mark.parametrize("loss", [gaussian_nll, mixture_nll])
def test_a_masked_row_costs_nothing_and_has_no_gradient_even_if_it_is_nan(loss):
    random = np.random.default_rng(0)
    draw = drawn_gaussian if loss is gaussian_nll else drawn_mixture
    predicted = jax.tree.map(jnp.float32, draw(random))
    targets, mask = jnp.float32(random.normal(size=(B, D))), jnp.array([True, False, True, True])
    broken = jax.tree.map(lambda a: a.at[1].set(jnp.nan), predicted)
    for wrong in (targets, targets.at[1].set(jnp.nan)):
        expected = jnp.where(mask, loss(predicted, targets), 0)
        np.testing.assert_array_equal(loss(broken, wrong, mask), expected)
        gradients = jax.grad(lambda p, wrong=wrong: loss(p, wrong, mask).sum())(broken)
        whole = jax.grad(lambda p: loss(p, targets).sum())(predicted)
        for one, other in zip(gradients, whole, strict=True):
            np.testing.assert_array_equal(one, other.at[1].set(0))


# --- references


def test_equal_scipys_distributions():
    random = np.random.default_rng(1)
    gaussian, mixture = drawn_gaussian(random), drawn_mixture(random)
    targets = random.normal(size=(B, D))
    with jax.enable_x64(True):
        g, m = (jax.tree.map(jnp.asarray, one) for one in (gaussian, mixture))
        t = jnp.asarray(targets)
        found = gaussian_nll(g, t), mixture_nll(m, t), gaussian_cdf(g, t), mixture_cdf(m, t)
        found = [np.asarray(one) for one in found]
    normal = stats.norm(*gaussian)
    expected = [
        -normal.logpdf(targets).sum(axis=1),
        [-np.log(density(mixture, i, targets[i])) for i in range(B)],
        normal.cdf(targets),
        [
            special.softmax(mixture.logits[i])
            @ stats.norm(mixture.means[i], mixture.deviations[i]).cdf(targets[i])
            for i in range(B)
        ],
    ]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-12)


def test_mixture_equals_loops():
    random = np.random.default_rng(2)
    mixture, targets = drawn_mixture(random), random.normal(size=(B, D))
    with jax.enable_x64(True):
        loss = mixture_nll(jax.tree.map(jnp.asarray, mixture), jnp.asarray(targets))
        moments = mixture_mean(mixture), mixture_variance(mixture)
    for i in range(B):
        total, mean, square = 0.0, np.zeros(D), np.zeros(D)
        weights = np.exp(mixture.logits[i]) / np.exp(mixture.logits[i]).sum()
        for k in range(K):
            one = weights[k]
            for d in range(D):
                m, s = mixture.means[i, k, d], mixture.deviations[i, k, d]
                one *= np.exp(-((targets[i, d] - m) ** 2) / (2 * s**2)) / (s * np.sqrt(2 * np.pi))
                mean[d] += weights[k] * m
                square[d] += weights[k] * (s**2 + m**2)
            total += one
        np.testing.assert_allclose(loss[i], -np.log(total), rtol=1e-12)
        np.testing.assert_allclose(moments[0][i], mean, rtol=1e-12)
        np.testing.assert_allclose(moments[1][i], square - mean**2, rtol=1e-12)


@pytest.mark.parity
def test_equal_pytorchs_distributions():
    torch = pytest.importorskip("torch")
    random = np.random.default_rng(3)
    mixture, targets = drawn_mixture(random), random.normal(size=(B, D))
    logits, means, deviations = map(torch.tensor, mixture)
    components = torch.distributions.Independent(torch.distributions.Normal(means, deviations), 1)
    theirs = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits), components
    )
    ours = jax.tree.map(jnp.float32, mixture)
    loss = mixture_nll(ours, jnp.float32(targets))
    np.testing.assert_allclose(loss, -theirs.log_prob(torch.tensor(targets)), rtol=1e-5)
    np.testing.assert_allclose(mixture_mean(ours), theirs.mean, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(mixture_variance(ours), theirs.variance, rtol=1e-5)


# --- theorems


@few
@seeds
def test_squared_error_is_the_likelihood_of_one_fixed_deviation(seed):
    random = np.random.default_rng(seed)
    y, t = jnp.float32(random.normal(size=(2, B, D)))
    s = float(random.uniform(0.2, 3))

    def likelihood(y):
        return gaussian_nll(Gaussian(y, jnp.full_like(y, s)), t)

    expected = squared_error(y, t) / (2 * s**2) + D * np.log(s * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(likelihood(y), expected, rtol=1e-5, atol=1e-5)
    gradient = jax.grad(lambda y: likelihood(y).sum())(y)
    of_squares = jax.grad(lambda y: squared_error(y, t).sum())(y)
    np.testing.assert_allclose(gradient, of_squares / (2 * s**2), rtol=1e-5, atol=1e-5)


@few
@seeds
def test_gradients_are_bishops(seed):
    """PRML equations 5.155 and 5.156: what is believed before and after the target is seen."""
    random = np.random.default_rng(seed)
    mixture, targets = drawn_mixture(random), random.normal(size=(B, D))
    with jax.enable_x64(True):
        given_ = jax.tree.map(jnp.asarray, mixture)
        gradient = jax.grad(lambda m: mixture_nll(m, jnp.asarray(targets)).sum())(given_)
    logits, means, deviations = mixture
    joint = stats.norm(means, deviations).logpdf(targets[:, None]).sum(axis=2)
    prior = special.softmax(logits, axis=1)
    share = special.softmax(joint + special.log_softmax(logits, axis=1), axis=1)
    np.testing.assert_allclose(gradient.logits, prior - share, rtol=1e-9, atol=1e-12)
    pull = share[..., None] * (means - targets[:, None]) / deviations**2
    np.testing.assert_allclose(gradient.means, pull, rtol=1e-9, atol=1e-12)


@few
@seeds
def test_the_mean_likelihood_is_best_at_mean_and_deviation_of_the_targets(seed):
    targets = jnp.float32(np.random.default_rng(seed).normal(2, 3, (64, 1)))

    def loss(mean, deviation):
        gaussian = Gaussian(jnp.full((64, 1), mean), jnp.full((64, 1), deviation))
        return jnp.mean(gaussian_nll(gaussian, targets))

    at = float(jnp.mean(targets)), float(jnp.std(targets))
    np.testing.assert_allclose(jax.grad(loss, (0, 1))(*at), [0, 0], atol=1e-5)


def test_a_density_has_an_integral_of_one_and_the_cdf_is_its_own():
    random = np.random.default_rng(4)
    mixture = jax.tree.map(jnp.float32, drawn_mixture(random, b=1, d=1))
    x = np.linspace(-15, 15, 3001)
    rows = jax.tree.map(lambda a: jnp.repeat(a, len(x), axis=0), mixture)
    p = np.exp(-np.asarray(mixture_nll(rows, jnp.float32(x)[:, None]), np.float64))
    below = integrate.cumulative_trapezoid(p, x, initial=0)
    np.testing.assert_allclose(below[-1], 1, rtol=1e-5)
    np.testing.assert_allclose(mixture_cdf(rows, jnp.float32(x)[:, None])[:, 0], below, atol=2e-5)


# --- modes


def test_modes_are_the_peaks_of_a_fine_grid():
    random = np.random.default_rng(5)
    mixture = drawn_mixture(random, b=12, k=4, d=1)
    mixture = mixture._replace(means=2 * mixture.means)
    with jax.enable_x64(True):
        found = jax.jit(mixture_modes)(jax.tree.map(jnp.asarray, mixture))
    counts = set()
    for i in range(12):
        x = np.linspace(mixture.means[i].min() - 1, mixture.means[i].max() + 1, 40_001)
        p = density(mixture, i, x[:, None])
        peaks = x[1:-1][(p[1:-1] > p[:-2]) & (p[1:-1] > p[2:])]
        distinct = np.asarray(found.distinct[i])
        points = np.asarray(found.points[i, :, 0])
        counts.add(len(peaks))
        np.testing.assert_allclose(np.sort(points[distinct]), peaks, atol=1e-3)  # the grid's step
        assert (np.diff(found.log_density[i]) <= 1e-12).all()
        np.testing.assert_allclose(points[0], x[p.argmax()], atol=1e-3)
        np.testing.assert_allclose(
            found.log_density[i], np.log(density(mixture, i, points[:, None])), rtol=1e-9
        )
    assert len(counts) > 2  # there were some with one peak, and some with more


def test_at_a_mode_of_two_dimensions_every_direction_leads_down():
    mixture = drawn_mixture(np.random.default_rng(6), b=3, k=3, d=2)
    with jax.enable_x64(True):
        mixture = jax.tree.map(jnp.asarray, mixture)
        points = jax.jit(mixture_modes)(mixture).points

        def log_density(x, i):
            return -mixture_nll(jax.tree.map(lambda a: a[i : i + 1], mixture), x[None])[0]

        for i in range(3):
            for x in points[i]:
                np.testing.assert_allclose(jax.grad(log_density)(x, i), [0, 0], atol=1e-6)
                assert (np.linalg.eigvalsh(jax.hessian(log_density)(x, i)) < 0).all()


def test_a_mean_exactly_between_two_peaks_is_no_mode():
    # By symmetry the density's slope is 0 at the middle component's mean, which is a valley.
    mixture = GaussianMixture(
        jnp.log(jnp.array([[0.49, 0.02, 0.49]])),
        jnp.array([[[-3.0], [0.0], [3.0]]]),
        jnp.array([[[1.0], [5.0], [1.0]]]),
    )
    found = mixture_modes(mixture)
    np.testing.assert_allclose(np.abs(found.points[0, :, 0]), [3, 3, 3], atol=0.05)
    np.testing.assert_array_equal(np.sort(found.distinct[0]), [False, True, True])


# --- draws


def test_draws_have_the_moments_and_the_distribution():
    n = 20_000
    one = GaussianMixture(
        jnp.log(jnp.array([[1.0, 3.0]])),
        jnp.array([[[-3.0], [1.0]]]),
        jnp.array([[[1.0], [0.5]]]),
    )
    keys = jax.random.split(jax.random.key(0), n)
    draws = np.asarray(jax.jit(jax.vmap(partial(sample_mixture, mixture=one)))(keys))[:, 0]
    # The standard error of the mean is sqrt(3.44 / n) = 0.013.
    np.testing.assert_allclose(draws.mean(), mixture_mean(one)[0, 0], atol=0.05)
    np.testing.assert_allclose(draws.var(), mixture_variance(one)[0, 0], rtol=0.05)
    rows = jax.tree.map(lambda a: jnp.repeat(a, n, axis=0), one)
    uniform = np.asarray(mixture_cdf(rows, jnp.asarray(draws)))[:, 0]
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3

    gaussian = Gaussian(jnp.array([[1.0, -2.0]]), jnp.array([[0.5, 3.0]]))
    draws = np.asarray(jax.jit(jax.vmap(partial(sample_gaussian, gaussian=gaussian)))(keys))[:, 0]
    for d in range(2):
        law = stats.norm(gaussian.mean[0, d], gaussian.deviation[0, d])
        assert stats.kstest(draws[:, d], law.cdf).pvalue > 1e-3
    assert abs(np.corrcoef(draws.T)[0, 1]) < 0.05


def test_rows_are_drawn_independently_and_a_key_decides():
    rows = GaussianMixture(jnp.zeros((500, 2)), jnp.zeros((500, 2, 1)), jnp.ones((500, 2, 1)))
    draws = sample_mixture(jax.random.key(0), rows)
    assert len(np.unique(draws)) == 500
    np.testing.assert_array_equal(draws, sample_mixture(jax.random.key(0), rows))
    assert (draws != sample_mixture(jax.random.key(1), rows)).all()


# --- errors


def test_errors_name_the_argument():
    gaussian = Gaussian(jnp.zeros((3, 1)), jnp.ones((3, 1)))
    mixture = GaussianMixture(jnp.zeros((3, 2)), jnp.zeros((3, 2, 1)), jnp.ones((3, 2, 1)))
    for function, predicted in (
        (gaussian_nll, gaussian),
        (gaussian_cdf, gaussian),
        (mixture_nll, mixture),
        (mixture_cdf, mixture),
    ):
        with pytest.raises(ValueError, match=r"`targets` must be .* \[3, 1\] .* got \[3, 2\]"):
            function(predicted, jnp.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"`smallest` must be in \(0, inf\), got 0"):
        softplus_deviation(jnp.zeros(3), 0)
    with pytest.raises(ValueError, match="`iterations` must be a whole number from 1 on, got 0"):
        mixture_modes(mixture, 0)

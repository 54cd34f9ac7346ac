"""Calibration by hand, against scikit-learn and SciPy's minimiser, and by what must be so."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats
from sklearn.calibration import calibration_curve

from jaxvision.ops.calibration import (
    coverage,
    equal_mass,
    equal_width,
    expected_calibration_error,
    fit_temperature,
    maximum_calibration_error,
    reliability,
    temperature_nll,
    top_label,
)

few = settings(deadline=None, max_examples=20)
seeds = given(seed=st.integers(0, 2**31))


def drawn(seed, n=300, classes=5, temperature=1.0):
    """Logits, and labels that are drawn at this temperature of theirs."""
    random = np.random.default_rng(seed)
    z = 3 * random.normal(size=(n, classes))
    p = np.exp(z / temperature)
    uniform = random.uniform(size=(n, 1)) * p.sum(axis=1, keepdims=True)
    return z, (np.cumsum(p, axis=1) < uniform).sum(axis=1)


# --- reliability


def test_reliability_by_hand():
    confidence = np.array([0.1, 0.2, 0.5, 0.55, 0.95, 1.0])
    correct = np.array([False, True, True, False, True, True])
    found = reliability(confidence, correct, equal_width(4))
    # Bins (0, .25], (.25, .5], (.5, .75], (.75, 1].
    np.testing.assert_array_equal(found.counts, [2, 1, 1, 2])
    np.testing.assert_allclose(found.confidence, [0.15, 0.5, 0.55, 0.975])
    np.testing.assert_allclose(found.accuracy, [0.5, 1, 0, 1])
    # (2 * .35 + .5 + .55 + 2 * .025) / 6
    assert expected_calibration_error(found) == pytest.approx(0.3)
    assert maximum_calibration_error(found) == pytest.approx(0.55)


def test_a_bin_has_its_upper_edge_and_the_first_both_and_an_empty_one_is_nan():
    found = reliability(np.array([0.0, 0.5, 1.0]), np.array([True] * 3), equal_width(2))
    np.testing.assert_array_equal(found.counts, [2, 1])
    found = reliability(np.array([0.9]), np.array([True]), equal_width(3))
    np.testing.assert_array_equal(found.counts, [0, 0, 1])
    assert np.isnan(found.confidence[:2]).all() and np.isnan(found.accuracy[:2]).all()
    assert expected_calibration_error(found) == pytest.approx(0.1)
    assert maximum_calibration_error(found) == pytest.approx(0.1)


@few
@seeds
def test_bins_are_scikit_learns(seed):
    random = np.random.default_rng(seed)
    confidence = random.uniform(size=200)
    correct = random.uniform(size=200) < confidence
    for edges, strategy in ((equal_width(7), "uniform"), (equal_mass(confidence, 7), "quantile")):
        found = reliability(confidence, correct, edges)
        there = found.counts > 0
        true, said = calibration_curve(correct, confidence, n_bins=7, strategy=strategy)
        np.testing.assert_allclose(found.accuracy[there], true, rtol=1e-12)
        np.testing.assert_allclose(found.confidence[there], said, rtol=1e-12)


def test_equal_mass_is_equal_as_far_as_ties_allow():
    confidence = np.concatenate([np.linspace(0.5, 0.9, 60), np.ones(40)])
    edges = equal_mass(confidence, 5)
    found = reliability(confidence, np.ones(100, bool), edges)
    np.testing.assert_array_equal(found.counts, [20, 20, 20, 40])
    assert edges[0] == 0 and edges[-1] == 1


def test_top_label_by_hand():
    z = np.log(np.array([[1.0, 4.0, 3.0], [6.0, 1.0, 1.0]]))
    confidence, correct = top_label(z, np.array([1, 2]))
    np.testing.assert_allclose(confidence, [0.5, 0.75])
    np.testing.assert_array_equal(correct, [True, False])
    # At T = 1/2 probabilities go as squares: 16 / 26 and 36 / 38.
    np.testing.assert_allclose(top_label(z, np.array([1, 2]), 0.5)[0], [16 / 26, 36 / 38])
    confidence, _ = top_label(np.array([[1e4, -1e4], [-1e4, -1e4]]), np.array([0, 0]))
    np.testing.assert_array_equal(confidence, [1, 0.5])


@few
@seeds
def test_what_is_drawn_as_it_is_said_is_calibrated(seed):
    confidence, correct = top_label(*drawn(seed, n=4000))
    found = reliability(confidence, correct, equal_width(10))
    # Of c examples a share has a standard error of at most 0.5 / sqrt(c).
    gaps = np.abs(found.accuracy - found.confidence) * np.sqrt(found.counts)
    assert np.nanmax(gaps) < 0.5 * 5
    assert expected_calibration_error(found) < 0.05


# --- temperature


def test_temperature_by_hand():
    """Logits 0 and a, right in 3 of 4: the best confidence is 3/4, at T = a / log 3."""
    for a in (1e-40, 1e-3, 1.0, 1e4, 1e40):
        z = np.tile([0.0, a], (4, 1))
        temperature = fit_temperature(z, np.array([1, 1, 0, 1]))
        assert temperature == pytest.approx(a / np.log(3), rel=1e-9)
        confidence, _ = top_label(z, np.array([1, 1, 0, 1]), temperature)
        np.testing.assert_allclose(confidence, 0.75, rtol=1e-9)


@few
@seeds
def test_temperature_is_scipys_minimum_and_moves_no_answer(seed):
    z, labels = drawn(seed, temperature=2.5)
    temperature = fit_temperature(z, labels)
    best = optimize.minimize_scalar(
        lambda u: temperature_nll(z, labels, 1 / u), bounds=(1e-3, 10), method="bounded",
        options={"xatol": 1e-10},
    )  # fmt: skip
    assert temperature == pytest.approx(1 / best.x, rel=1e-5)
    assert temperature == pytest.approx(2.5, rel=0.4)
    before, after = top_label(z, labels), top_label(z, labels, temperature)
    np.testing.assert_array_equal(before[1], after[1])
    assert temperature_nll(z, labels, temperature) <= temperature_nll(z, labels)


@few
@seeds
def test_a_temperature_goes_with_the_scale_of_the_logits(seed):
    z, labels = drawn(seed)
    temperature = fit_temperature(z, labels)
    for factor in (1e-6, 3.0, 1e6):
        assert fit_temperature(factor * z, labels) == pytest.approx(factor * temperature, rel=1e-9)
    # Whatever is added to all logits of an example changes nothing.
    moved = z + np.linspace(-50, 50, len(z))[:, None]
    assert fit_temperature(moved, labels) == pytest.approx(temperature, rel=1e-9)


def test_at_the_temperature_the_expected_logit_is_the_labels():
    """What L'(u) = 0 says."""
    z, labels = drawn(7)
    p = np.exp(z / fit_temperature(z, labels))
    p /= p.sum(axis=1, keepdims=True)
    expected, there = np.sum(p * z, axis=1).mean(), z[np.arange(len(z)), labels].mean()
    assert expected == pytest.approx(there, rel=1e-9)


def test_where_newtons_step_is_far_too_long_it_is_cut():
    """One logit of 1 and 999 of 0, right in 3 of 5: there p = 0.6, at 1 / T = log(999 * 1.5).

    From u = 1 a step goes to 221, where all exponentials are gone, and the next to -1e92.
    """
    z = np.tile(np.eye(1, 1000), (5, 1))
    temperature = fit_temperature(z, np.array([0, 0, 0, 1, 2]))
    assert temperature == pytest.approx(1 / np.log(999 * 1.5), rel=1e-9)


def test_a_few_hard_examples_far_from_the_start_are_no_trouble():
    # One is wrong by a hair, all others are right by far: the minimum is where exponentials vanish.
    z = np.array([[0.0, 500.0]] * 999 + [[0.0, 1e-3]])
    labels = np.array([1] * 999 + [0])
    temperature = fit_temperature(z, labels)
    around = [temperature_nll(z, labels, temperature * f) for f in (0.999, 1.0, 1.001)]
    assert 0 < temperature < 100 and around[1] <= min(around)


def test_temperature_nll_by_hand_and_at_1e4():
    z = np.log(np.array([[1.0, 3.0]]))
    assert temperature_nll(z, np.array([1])) == pytest.approx(np.log(4 / 3))
    assert temperature_nll(z, np.array([1]), 0.5) == pytest.approx(np.log(10 / 9))
    assert temperature_nll(np.array([[1e4, -1e4]]), np.array([1])) == 2e4


# --- coverage


def test_coverage_by_hand():
    # A target at its distribution's quantile .05 is inside central intervals from .9 on.
    cumulative = np.array([0.5, 0.25, 0.75, 0.0625])
    levels = np.array([0.0, 0.4, 0.5, 0.8, 0.875, 1.0])
    np.testing.assert_allclose(coverage(cumulative, levels), [0.25, 0.25, 0.75, 0.75, 1, 1])


def test_coverage_equals_scipys_intervals():
    random = np.random.default_rng(0)
    mean, deviation = random.normal(size=500), random.uniform(0.5, 2, 500)
    targets = random.normal(mean, 2 * deviation)
    levels, law = np.array([0.1, 0.5, 0.9]), stats.norm(mean, deviation)
    for level, share in zip(levels, coverage(law.cdf(targets), levels), strict=True):
        low, high = law.interval(level)
        assert share == np.mean((low <= targets) & (targets <= high))
        # Of deviations that are half as large as they should be:
        z = stats.norm.ppf((1 + level) / 2) / 2
        assert share == pytest.approx(2 * stats.norm.cdf(z) - 1, abs=0.08)


# --- errors

P, C = np.array([0.5, 0.7]), np.array([True, False])
Z, Y = np.array([[0.0, 1.0], [0.0, 2.0]]), np.array([0, 1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: equal_width(0), "`bins` must be a whole number from 1 on, got 0"),
        (lambda: equal_mass(P, 0), "`bins` must be a whole number from 1 on, got 0"),
        (lambda: equal_mass(2 * P), r"`confidence` must be in \[0, 1\].* got 1.0 to 1.4"),
        (lambda: reliability(2 * P, C, equal_width()), r"`confidence` must be in \[0, 1\]"),
        (lambda: reliability(P / 0.0, C, equal_width()), r"`confidence` must be .* got inf"),
        (lambda: reliability(P[:0], C[:0], equal_width()), "`confidence` .* got none"),
        (lambda: reliability(P, C, np.array([0.0, 0.5])), "`edges` must ascend from 0 to 1"),
        (lambda: reliability(P, C, np.array([0.1, 1.0])), "`edges` must ascend from 0 to 1"),
        (lambda: reliability(P, C, np.array([0.0, 0.6, 0.6, 1.0])), "`edges` must ascend"),
        (lambda: reliability(P, C, np.array([0.0])), "`edges` must ascend from 0 to 1"),
        (lambda: top_label(Z, Y + 1), r"`labels` must be in \[0, 2\).* got 1 to 2"),
        (lambda: top_label(Z, Y - 1), r"`labels` must be in \[0, 2\).* got -1 to 0"),
        (lambda: top_label(Z[:0], Y[:0]), "`labels` .* got none"),
        (lambda: top_label(np.nan * Z, Y), "`logits` must be finite"),
        (lambda: top_label(Z, Y, 0), r"`temperature` must be in \(0, inf\), got 0"),
        (lambda: temperature_nll(Z, Y, -1.0), r"`temperature` must be in \(0, inf\), got -1"),
        (lambda: temperature_nll(Z, Y + 1), r"`labels` must be in \[0, 2\)"),
        (lambda: fit_temperature(Z, Y + 1), r"`labels` must be in \[0, 2\)"),
        (lambda: fit_temperature(Z, np.array([1, 1])), "`logits` must be wrong somewhere"),
        (lambda: fit_temperature(0 * Z, np.array([1, 1])), "`logits` must be wrong somewhere"),
        (lambda: fit_temperature(Z, np.array([1, 0])), "`logits` must be larger at the labels"),
        (lambda: coverage(2 * P, P), r"`cumulative` must be in \[0, 1\]"),
        (lambda: coverage(P, -P), r"`levels` must be in \[0, 1\].* got -0.7 to -0.5"),
    ],
)
def test_errors_name_the_argument(call, message):
    with np.errstate(divide="ignore"), pytest.raises(ValueError, match=message):
        call()

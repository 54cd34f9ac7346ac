"""The axes of a sweep as the command line writes them."""

import math

import numpy as np
import pytest

from jaxvision.classification.axes import FIXED, TRACED, candidates_of, settings_of
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.sweep_config import Sweep

CONFIG = TrainConfig()


def candidates(*grid, **options):
    return candidates_of(Sweep(grid=grid, **options), CONFIG)


def test_a_grid_has_all_combinations_and_the_last_axis_changes_fastest():
    assert candidates("learning-rate=1e-3, 1e-2", "model=mlp,lenet5", "flip=true") == [
        {"learning_rate": rate, "model": model, "flip": "true"}
        for rate in (1e-3, 1e-2)
        for model in ("mlp", "lenet5")
    ]
    assert settings_of({"flip": "true", "learning_rate": 1.0}) == {
        "flip": True,
        "learning_rate": 1.0,
    }


def test_whole_numbers_stay_whole():
    (candidate,) = candidates("crop_padding=4")
    assert candidate == {"crop_padding": 4} and isinstance(candidate["crop_padding"], int)


def test_random_candidates_are_inside_and_logarithmic_where_asked():
    asked = Sweep(
        draw=("learning_rate=log:1e-4:1e-1", "label_smoothing=0:0.2", "flip=true,false"),
        candidates=300,
    )
    found = candidates_of(asked, CONFIG)
    rates = np.array([one["learning_rate"] for one in found])
    assert rates.min() >= 1e-4 and rates.max() <= 1e-1
    # Three orders of magnitude: a third of the draws in each, give or take five deviations (0.027).
    assert abs(np.mean(rates < 1e-3) - 1 / 3) < 0.14
    smoothing = np.array([one["label_smoothing"] for one in found])
    assert 0 <= smoothing.min() < 0.02 and 0.18 < smoothing.max() <= 0.2
    assert {one["flip"] for one in found} == {"true", "false"}
    assert candidates_of(asked, CONFIG) == found
    fewer = Sweep(draw=asked.draw[:1], candidates=3)
    assert [one["learning_rate"] for one in candidates_of(fewer, CONFIG)] == rates[:3].tolist()


def test_every_axis_is_a_setting_that_runs_may_have():
    values = {"model": "mlp", "optimizer": "sgd", "schedule": "constant", "dtype": "float32"}
    for name in (*TRACED, *FIXED):
        assert candidates(
            f"{name}={values.get(name, 'true' if 'flip' in name else '0.5')}"[:40].replace(
                "crop_padding=0.5", "crop_padding=2"
            )
        )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rat=1", "`axis` is unknown: 'learning_rat'. Did you mean `learning_rate`"),
        ("batch_size=16,32", "`batch_size` cannot be an axis.*Run a sweep for each"),
        ("learning_rate=", "`learning_rate` must have values"),
        ("learning_rate", "`learning_rate` must have values"),
        ("learning_rate=a", "`learning_rate` must have numbers, got 'a'"),
        ("learning_rate=1e-4:1e-1", "`learning_rate` needs single values in a grid.*--draw"),
        ("learning_rate=1,1", "`learning_rate` must have each value once, got 1.0 twice"),
        ("learning_rate=inf", "`learning_rate` must have finite values, got inf"),
        ("learning_rate=-1", "`learning_rate` must be positive and finite, got -1.0"),
        ("flip=yes", "`flip` is unknown: 'yes'.*Known: false, true"),
        ("schedule=linear", "`schedule` is unknown: 'linear'.*Known: constant, cosine"),
        ("crop_padding=1.5", "`crop_padding` must have numbers, got '1.5'"),
    ],
)
def test_what_is_wrong_with_an_axis_is_said(text, message):
    with pytest.raises(ValueError, match=message):
        candidates(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learning_rate=log:0:1", "must be positive to be drawn by its logarithm, got from 0.0"),
        ("learning_rate=2:1", "from a number to one not below it, got 2.0 to 1.0"),
        ("learning_rate=log:1:inf", "from a number to one not below it, got 1.0 to inf"),
        ("learning_rate=nan:1", "from a number to one not below it, got nan to 1.0"),
    ],
)
def test_what_is_wrong_with_an_interval_is_said(text, message):
    with pytest.raises(ValueError, match=message):
        candidates_of(Sweep(draw=(text,)), CONFIG)


def test_an_axis_twice_is_refused():
    with pytest.raises(ValueError, match="the axis `learning_rate` must be given once"):
        candidates("learning_rate=1", "learning-rate=2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "one of `grid` and `draw` must name"),
        ({"grid": ("a=1",), "draw": ("a=1",)}, "one of `grid` and `draw` must name"),
        ({"grid": ("a=1",), "folds": 0, "seeds": 0}, "`folds` must be at least 1.*`seeds` must be"),
        (
            {"grid": ("a=1",), "folds": 1, "simpler": "a"},
            "`simpler` needs a standard error.*more `folds` or `seeds`",
        ),
        ({"grid": ("a=1",), "chunk": 0}, "`chunk` must be at least 1, got 0"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_with_all_that_is_wrong(options, message):
    with pytest.raises(ValueError, match=message):
        Sweep(**options).check()


def test_no_number_is_changed_on_its_way():
    (candidate,) = candidates("learning_rate=0.0012345678901234567")
    assert math.isclose(candidate["learning_rate"], 0.0012345678901234567, rel_tol=0)

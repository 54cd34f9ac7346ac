"""What restorers learn from and are measured by: settings, patches, noise, sizes, quality."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.data.pictures import Photographs
from jaxvision.restoration.config import (
    DENOISE_GROUPS,
    SUPER_RESOLVE_GROUPS,
    DenoiseConfig,
    SuperResolveConfig,
)
from jaxvision.restoration.job import make_job, pixel_normalization, to_pixels
from jaxvision.restoration.material import open_parts, read_material
from jaxvision.restoration.patches import Degraded, Patches
from jaxvision.restoration.problem import make_problem, shrink
from jaxvision.restoration.quality import Quality
from jaxvision.restoration.turning import turn
from tests.restoration.conftest import DENOISE, SUPER_RESOLVE


class Made:
    """Pictures in memory."""

    channels = 1

    def __init__(self, *shapes):
        random = np.random.default_rng(0)
        self.images = [random.integers(0, 256, (*shape, 1), np.uint8) for shape in shapes]

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        return {"image": self.images[index]}

    def describe(self, index):
        return f"picture {index}"


# --- settings


def test_every_value_that_cannot_be_is_named():
    with pytest.raises(ValueError, match=r"`batch_size`.*`epochs`.*`patch`.*`width`.*`sigma`"):
        DenoiseConfig(batch_size=0, epochs=0, patch=4, sigma=(30.0, 10.0), width=0)
    for sigma in ((), (0.0,), (1.0, 2.0, 3.0), (-1.0, 5.0), (300.0,), (float("nan"),)):
        with pytest.raises(ValueError, match="`sigma` must be one number in"):
            DenoiseConfig(sigma=sigma)
    with pytest.raises(ValueError, match="`patch` must be a multiple of the factor, 3, in"):
        SuperResolveConfig(factor=3)
    with pytest.raises(ValueError, match="`widths` must be two whole numbers"):
        SuperResolveConfig(widths=(8,))


def test_what_would_be_ignored_is_refused():
    with pytest.raises(ValueError, match="`peak` must be left out without poisson noise, got 5"):
        DenoiseConfig(peak=5.0)
    with pytest.raises(ValueError, match="`sigma` must be left out without gaussian noise"):
        DenoiseConfig(noise="poisson", sigma=(15.0,))
    with pytest.raises(ValueError, match="`depth` must be left out: `denoiser` has three"):
        DenoiseConfig(model="denoiser", depth=4)


def test_the_groups_have_every_setting_once():
    for config, groups in (
        (DenoiseConfig, DENOISE_GROUPS),
        (SuperResolveConfig, SUPER_RESOLVE_GROUPS),
    ):
        fields = {field.name: field.default for field in dataclasses.fields(config)}
        of_groups = [f for group in groups for f in dataclasses.fields(group)]
        assert {f.name: f.default for f in of_groups} == fields
        assert len(of_groups) == len(fields)


def test_what_is_tested_is_in_the_middle_of_a_range():
    assert DenoiseConfig().tested_sigma == 25
    assert DenoiseConfig(sigma=(0.0, 55.0)).tested_sigma == 27.5
    assert DenoiseConfig(sigma=(0.0, 55.0), test_sigma=15.0).tested_sigma == 15


# --- patches


@pytest.mark.parametrize("model", ["espcn", "srcnn"])
def test_a_patch_and_its_target_show_the_same(model):
    config = dataclasses.replace(SUPER_RESOLVE, model=model)
    problem, source = make_problem(config), Made((40, 50), (33, 47))
    patches = Patches(source, problem, 24, 10, seed=3)
    assert [patches.row_of(i) for i in range(10)] == [0] * 5 + [1] * 5
    for i in (0, 4, 5, 9):
        item, arrays = patches[i], problem.pair(source.images[patches.row_of(i)])
        small = 24 // problem.scale
        assert item["image"].shape == (small, small, 1) and item["target"].shape == (24, 24, 1)
        places = [
            (y, x)
            for y in range(arrays["image"].shape[0] - small + 1)
            for x in range(arrays["image"].shape[1] - small + 1)
            if np.array_equal(arrays["image"][y : y + small, x : x + small], item["image"])
        ]
        ((y, x),) = places
        y, x = problem.scale * y, problem.scale * x
        np.testing.assert_array_equal(arrays["target"][y : y + 24, x : x + 24], item["target"])
    assert patches.describe(7) == "patch 7, of picture 1"


def test_patches_are_a_function_of_the_seed_and_spread_over_the_picture():
    problem, source = make_problem(DENOISE), Made((40, 60))
    source.images[0] = np.arange(2400).reshape(40, 60, 1).astype(np.uint16)
    patches = Patches(source, problem, 24, 400)
    corners = np.array([patches[i]["image"][0, 0, 0] for i in range(400)])
    y, x = corners // 60, corners % 60
    assert (y.min(), y.max(), x.min(), x.max()) == (0, 16, 0, 36)
    assert [p["image"][0, 0, 0] for p in patches.__getitems__([5, 6])] == corners[5:7].tolist()
    other = Patches(source, problem, 24, 400, seed=1)
    assert other[0]["image"][0, 0, 0] != corners[0]
    with pytest.raises(ValueError, match="picture 0: is 40 x 60 pixels, and `--patch` needs"):
        Patches(source, problem, 41, 4)[0]


def test_validation_pictures_of_several_sizes_are_cut_to_the_smallest():
    parts, said = open_parts(DENOISE), []
    sizes = Made((30, 50), (41, 33))
    material = read_material(
        DENOISE, make_problem(DENOISE), parts._replace(validation=sizes), None, said.append
    )
    targets = material.validation.data["target"]
    assert targets.shape == (2, 30, 33, 1)
    np.testing.assert_array_equal(targets[0], sizes.images[0][:, 8:41])
    np.testing.assert_array_equal(targets[1], sizes.images[1][5:35])
    assert said == [
        "pictures for validation have 2 sizes: the middle 30 x 33 pixels of each choose the epoch"
    ]


def test_the_eight_ways_are_equally_likely_and_the_target_comes_along():
    image = np.arange(9).reshape(3, 3, 1)
    target = np.kron(image[:, :, 0], np.ones((2, 2), int))[:, :, None]
    keys = jax.random.split(jax.random.key(0), 800)
    turned = jax.vmap(
        lambda key: turn(key, {"image": jnp.asarray(image), "target": jnp.asarray(target)})
    )(keys)
    ways, counts = np.unique(turned["image"].reshape(800, 9), axis=0, return_counts=True)
    assert len(ways) == 8 and counts.min() > 60  # of 100, with a deviation of 9
    squares = [np.rot90(m, k) for m in (image[:, :, 0], image[:, ::-1, 0]) for k in range(4)]
    assert {tuple(way) for way in ways.tolist()} == {tuple(s.ravel().tolist()) for s in squares}
    np.testing.assert_array_equal(turned["target"][:, ::2, ::2], turned["image"])
    with pytest.raises(ValueError, match="must have squares to be turned, got 3 x 2"):
        turn(keys[0], {"image": jnp.asarray(image[:, :2])})


# --- what becomes of pictures


def test_a_picture_has_the_same_noise_at_all_times():
    problem = make_problem(DenoiseConfig(sigma=(0.0, 55.0), test_sigma=15.0))
    source = Made((128, 128), (128, 128))
    source.images[1] = source.images[0]
    degraded = Degraded(source, problem)
    (first, truth), (second, _) = degraded.at(0), degraded.at(1)
    assert truth is source.images[0]
    np.testing.assert_array_equal(first, degraded.at(0)[0])
    for noisy in (first, second):
        noise = noisy - truth
        assert abs(noise.std() - 15) < 0.35 and abs(noise.mean()) < 0.5  # 3 and 4 deviations
    assert abs(np.corrcoef((first - truth).ravel(), (second - truth).ravel())[0, 1]) < 0.03
    assert first.min() < 0 and first.max() > 255  # nothing is clipped


def test_blind_training_draws_a_strength_for_each_patch_anew():
    problem = make_problem(DenoiseConfig(sigma=(5.0, 50.0)))
    batch = {"image": jnp.full((64, 24, 24, 1), 128, jnp.uint8)}
    drawn = [problem.corrupt(jax.random.key(i), batch) for i in range(2)]
    for each in drawn:
        deviations = np.std(each["image"] - each["target"], axis=(1, 2, 3))
        assert 4 < deviations.min() < 12 and 42 < deviations.max() < 54
    assert not np.allclose(drawn[0]["image"], drawn[1]["image"])
    np.testing.assert_array_equal(drawn[0]["target"], batch["image"])


@pytest.mark.parametrize(
    ("options", "deviation"),
    [
        ({"noise": "poisson", "peak": 30.0}, (255 * 128 / 30) ** 0.5),
        # A tenth of the pixels is 128 or 127 away.
        ({"noise": "salt_and_pepper", "fraction": 0.1}, (0.05 * (128**2 + 127**2)) ** 0.5),
    ],
)
def test_other_noise(options, deviation):
    source = Made((128, 128))
    source.images[0][:] = 128
    noisy, truth = Degraded(source, make_problem(DenoiseConfig(**options))).at(0)
    assert np.std(noisy - truth) == pytest.approx(deviation, rel=0.05)


def test_pictures_are_shrunk_as_pillow_does_it():
    from PIL import Image

    picture = Photographs("test", 1)[1]["image"][:101, :83]
    for factor in (2, 3, 4):
        small, truth = shrink(picture, factor)
        h, w = 101 // factor, 83 // factor
        np.testing.assert_array_equal(truth, picture[: h * factor, : w * factor])
        theirs = Image.fromarray(truth[:, :, 0]).resize((w, h), Image.Resampling.BICUBIC)
        inner = slice(2, -2)  # it has another rule at the border
        difference = small[inner, inner, 0].astype(int) - np.asarray(theirs)[inner, inner]
        assert small.shape == (h, w, 1) and np.abs(difference).max() <= 1


# --- quality and loss


def test_quality_by_hand():
    truth = np.full((1, 16, 16, 1), 100, np.uint8)
    restored = np.full((1, 16, 16, 1), 104.4, np.float32)  # is written as 104
    border = np.ones((16, 16), bool)
    border[2:14, 2:14] = False
    restored[:, border] = 255
    psnr = Quality(shave=2)(jnp.asarray(restored), jnp.asarray(truth))["PSNR"]
    np.testing.assert_allclose(psnr, [20 * np.log10(255 / 4)], rtol=1e-6)
    colours = np.zeros((1, 16, 16, 3), np.float32)
    other = colours + np.array([10, 0, 0], np.float32)
    psnr = Quality(luminance=True)(jnp.asarray(other), jnp.asarray(colours))["PSNR"]
    np.testing.assert_allclose(psnr, [20 * np.log10(255 / 2.99)], rtol=1e-5)
    assert Quality(shave=4).smallest == 19


def test_the_loss_is_the_mean_over_images_pixels_and_channels():
    config = dataclasses.replace(SUPER_RESOLVE, turn=False, learning_rate=1e-30)
    problem, normalization = make_problem(config), pixel_normalization(1)
    job = make_job(config, problem, (6, 6, 1), 10, normalization)
    state = job.init(jax.random.key(0))
    random = np.random.default_rng(0)
    batch = {
        "image": random.integers(0, 256, (3, 6, 6, 1), np.uint8),
        "target": random.integers(0, 256, (3, 12, 12, 1), np.uint8),
        "mask": np.array([True, True, False]),
    }
    outputs, _ = problem.model.apply(
        state.variables, normalization(jnp.asarray(batch["image"])), train=False
    )
    pixels = np.asarray(to_pixels(outputs, normalization), np.float64)
    _, totals = job.train_step(state, batch)
    errors = (pixels - batch["target"])[:2] / 255
    np.testing.assert_allclose(totals["loss"] / totals["count"], np.mean(errors**2), rtol=1e-5)
    assert totals["count"] == 2

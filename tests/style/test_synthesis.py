"""`jaxvision.style.synthesis` and `sizes`: what comes out, again and again, and what is refused."""

import numpy as np
import pytest

from jaxvision.style.config import Settings
from jaxvision.style.objective import Objective
from jaxvision.style.picture import noise_like, resized
from jaxvision.style.sizes import scales, steps_at, style_size
from jaxvision.style.statistics import GRAM, MEAN_STD
from jaxvision.style.synthesis import make_targets, paint, stylize

FLAT = Objective({"relu1_1": 1.0}, {"relu1_1": 1.0}, MEAN_STD)  # no noise can stand for a colour
QUICK = Settings(steps=4, coarsest=48, every=2)


@pytest.fixture
def task(picture):
    return picture(64, 96, 0), [picture(48, 36, 1)]


def test_a_painting_goes_from_coarse_to_fine_and_comes_nearer(encoder, task, unchecked):
    seen = list(paint(encoder, *task, QUICK))
    assert [(each.step, each.steps) for each in seen] == [(2, 8), (4, 8), (6, 8), (8, 8)]
    assert [each.size for each in seen] == [(32, 48)] * 2 + [(64, 96)] * 2
    for each in seen:
        assert each.image.shape == (*each.size, 3)
        assert each.image.min() >= 0 and each.image.max() <= 1
    assert seen[1].losses.total < seen[0].losses.total
    assert seen[3].losses.total < seen[2].losses.total
    content, style = seen[3].losses.content, seen[3].losses.style
    np.testing.assert_allclose(seen[3].losses.total, 0.05 * content + style, rtol=1e-5)


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam"])
@pytest.mark.parametrize("initial", ["content", "noise", "style"])
def test_the_same_bits_again_and_others_for_another_seed(
    encoder, task, optimizer, initial, unchecked
):
    settings = Settings(steps=2, coarsest=None, optimizer=optimizer, initial=initial)
    first, again = (stylize(encoder, *task, settings) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other = stylize(encoder, *task, Settings(**{**vars(settings), "seed": 1}))
    assert np.array_equal(first, other) == (initial == "content")


def test_more_weight_of_the_content_keeps_more_of_it(encoder, task, unchecked):
    def content_loss(weight):
        settings = Settings(steps=12, coarsest=None, content_weight=weight)
        *_, last = paint(encoder, *task, settings)
        return last.losses.content

    assert content_loss(10.0) < 0.5 * content_loss(0.0)


def test_total_variation_smooths(encoder, task, unchecked):
    def roughness(weight):
        settings = Settings(steps=8, coarsest=None, total_variation=weight, initial="noise")
        return np.abs(np.diff(stylize(encoder, *task, settings), axis=0)).mean()

    assert roughness(10.0) < 0.7 * roughness(0.0)


def test_each_region_gets_its_own_style(encoder, picture, unchecked):
    """Painted in two greys, each half gets its own. (Brighter ones leave this network silent.)"""
    content = np.full((48, 64, 3), 0.3, np.float32)
    styles = [np.full((48, 48, 3), value, np.float32) for value in (0.1, 0.5)]
    masks = np.zeros((2, 48, 64), np.float32)
    masks[0, :, :32] = masks[1, :, 32:] = 1
    settings = Settings(steps=40, coarsest=None, content_weight=0.0, optimizer="adam")
    painted = stylize(encoder, content, styles, settings, FLAT, masks=masks)
    assert painted[:, :20].mean() < 0.2 < 0.4 < painted[:, -20:].mean()
    exchanged = stylize(encoder, content, styles, settings, FLAT, masks=masks[::-1])
    assert exchanged[:, :20].mean() > 0.4


def test_a_mask_that_is_white_everywhere_is_no_mask(encoder, task, unchecked):
    settings = Settings(steps=2, coarsest=None)
    masks = np.ones((1, *task[0].shape[:2]), np.float32)
    np.testing.assert_allclose(
        stylize(encoder, *task, settings, masks=masks),
        stylize(encoder, *task, settings),
        atol=2e-3,
    )


def test_mixed_styles_are_between_them(encoder, picture, unchecked):
    content = np.full((48, 48, 3), 0.5, np.float32)
    styles = [np.full((48, 48, 3), value, np.float32) for value in (0.2, 0.8)]

    def mean(*mix):
        settings = Settings(steps=10, coarsest=None, content_weight=0.0, mix=mix)
        return stylize(encoder, content, styles, settings, FLAT).mean()

    dark, light = mean(1.0, 0.0), mean(0.0, 1.0)
    assert dark < mean(1.0, 1.0) < light
    np.testing.assert_allclose(mean(2.0, 0.0), dark, atol=1e-6)  # in any unit


def test_a_picture_to_begin_with(encoder, task, picture, unchecked):
    start = picture(17, 31, 3)
    settings = Settings(steps=1, coarsest=None, content_weight=0.0, style_weight=0.0)
    painted = stylize(encoder, *task, settings, start=start)
    np.testing.assert_allclose(painted, resized(start, 64, 96), atol=1 / 200)


def test_the_papers_loss_of_the_content_is_zero_and_of_the_style_in_its_own_place(
    encoder, task, unchecked
):
    """Started from the content there is no content loss; from the style, no style loss."""
    content, (style,) = task
    still = Settings(steps=1, coarsest=None, style_weight=0.0)
    (first,) = paint(encoder, content, [style], still)
    assert first.losses.content < 1e-3 and first.losses.style > 0.01
    still = Settings(steps=1, coarsest=None, content_weight=0.0)
    (first,) = paint(encoder, resized(style, 64, 48), [style], still)
    assert first.losses.style < 1e-3


def test_layers_weights_and_scales_are_as_asked(encoder, task, unchecked):
    content, styles = task
    objective = Objective({"relu3_1": 1.0}, {"relu1_1": 0.5, "relu2_1": 0.5}, GRAM, relative=False)
    targets = make_targets(encoder, objective, Settings(), (64, 96), content, styles)
    assert set(targets.content) == {"relu3_1"} and set(targets.styles[0]) == {"relu1_1", "relu2_1"}
    assert targets.styles[0]["relu1_1"].scale == 1
    relative = make_targets(
        encoder, objective._replace(relative=True), Settings(), (64, 96), content, styles
    )
    gram = targets.styles[0]["relu1_1"].target["gram"]
    np.testing.assert_allclose(
        relative.styles[0]["relu1_1"].scale, [np.mean(gram**2) / 4], rtol=1e-5
    )


def test_sizes_and_steps():
    assert scales(384, 512, 256) == [(192, 256), (384, 512)]
    assert scales(511, 300, 256) == [(511, 300)]
    assert scales(2048, 1024, 256) == [(256, 128), (512, 256), (1024, 512), (2048, 1024)]
    assert scales(2048, 1024, None) == [(2048, 1024)]
    assert steps_at(100, 4) == [100, 50, 30, 30]
    assert steps_at(5, 3) == [5, 5, 5]
    style = np.zeros((100, 50, 3), np.float32)
    assert style_size(style, (64, 128), Settings(style_scale=0.5)) == (64, 32)


def test_noise_has_the_styles_colours(picture):
    style = np.zeros((4, 4, 3), np.float32)
    style[:2] = (1, 0, 0)
    noise = noise_like([style], (50, 50), np.random.default_rng(0))
    assert set(map(tuple, noise.reshape(-1, 3).tolist())) == {(0, 0, 0), (1, 0, 0)}
    assert 0.4 < noise[..., 0].mean() < 0.6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "`steps` must be at least 1, got 0"),
        ({"content_weight": -1.0}, r"`content_weight` must be in \[0, inf\), got -1"),
        ({"style_scale": 0.0}, "`style_scale` must be positive"),
        ({"total_variation": float("nan")}, r"`total_variation` must be in \[0, inf\), got nan"),
        ({"mix": (0.0, 0.0)}, "`mix` must be 0 or more, not all 0"),
        ({"mix": ()}, "`mix` must be"),
        ({"optimizer": "sgd"}, "`optimizer` must be 'lbfgs' or 'adam', got 'sgd'"),
        ({"initial": "zero"}, "`initial` must be 'content' or 'noise' or 'style', got 'zero'"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(change, message, unchecked):
    with pytest.raises(ValueError, match=message):
        Settings(**change)


def test_pictures_that_do_not_fit_are_refused(encoder, task, picture):
    content, styles = task

    def refused(match, content=content, styles=styles, settings=QUICK, **more):
        with pytest.raises(ValueError, match=match):
            next(paint(encoder, content, styles, settings, **more))

    refused("`styles` is empty", styles=[])
    refused(r"`content` is 96 x 20 pixels .* needs 32", settings=Settings(), content=content[:20])
    strip = np.zeros((300, 3, 3), np.float32)
    refused(r"`styles\[1\]` is 1 x 96 pixels", styles=[*styles, strip], settings=Settings())
    refused("`mix` must have a weight for each of 1 styles", settings=Settings(mix=(1.0, 2.0)))
    refused(r"`masks` must be \[1, 64, 96\]", masks=np.ones((2, 64, 96), np.float32))

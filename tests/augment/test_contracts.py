"""What holds for all: pure, per example, sweepable, and at strength 0 the identity to the bit."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvision.augment import (
    alternating_flip,
    color_jitter,
    compose,
    cutmix,
    cutout,
    horizontal_flip,
    mixup,
    pad_and_crop,
    per_example,
    random_affine,
    random_erasing,
    random_object_crop,
    vertical_flip,
)
from tests.augment.made_up import batch, photo, scene

KEY = jax.random.key(0)
F, W = jnp.float32, jnp.int32

# name: what makes it of a strength, a strength that changes something, and the dtype of it
MAKERS = {
    "horizontal_flip": (horizontal_flip, 1.0, F),
    "vertical_flip": (vertical_flip, 1.0, F),
    "shift": (lambda s: random_affine(shift=s), 0.3, F),
    "scale": (lambda s: random_affine(scale=s, fill="edge"), 0.4, F),
    "rotation": (lambda s: random_affine(rotation=s, fill=(1.0, 2.0, 3.0)), 30.0, F),
    "shear": (lambda s: random_affine(shear=s), 20.0, F),
    "pad_and_crop": (pad_and_crop, 3, W),
    "pad_and_crop_reflect": (partial(pad_and_crop, fill="reflect"), 3, W),
    "cutout": (cutout, 5, W),
    "random_erasing": (random_erasing, 1.0, F),
    "random_erasing_fill": (partial(random_erasing, fill=9.0), 1.0, F),
    "erased_area": (lambda s: random_erasing(1.0, (s, s), fill=0.0), 0.3, F),
    "object_crop": (random_object_crop, 1.0, F),
    "zoom_out": (lambda s: random_object_crop(1.0, (1.0, jnp.exp(s)), fill=7.0), 1.0, F),
    "brightness": (lambda s: color_jitter(brightness=s), 0.5, F),
    "contrast": (lambda s: color_jitter(contrast=s), 0.5, F),
    "saturation": (lambda s: color_jitter(saturation=s), 0.5, F),
    "hue": (lambda s: color_jitter(hue=s), 0.3, F),
}
EACH = pytest.mark.parametrize(("make", "strength", "dtype"), MAKERS.values(), ids=MAKERS)
GREY = set(MAKERS) - {"saturation", "hue", "rotation"}


def an_example():
    example = scene(4, 3, 15, 11)
    # Noise, so that nothing goes unseen; and inside of 0..255, so that nothing is cut off.
    return example | {"image": 30 + 0.7 * photo(0, 24, 32)}


def equal(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


@EACH
def test_strength_0_is_the_identity_to_the_bit(make, strength, dtype):
    example = an_example()
    equal(make(0)(KEY, example), example)
    traced = jax.jit(lambda key, s: make(s)(key, example))
    for key in jax.random.split(KEY, 4):
        equal(traced(key, dtype(0)), example)


@EACH
def test_one_key_gives_one_result_and_others_give_others(make, strength, dtype):
    example, apply = an_example(), jax.jit(make(strength))
    equal(apply(KEY, example), apply(KEY, example))
    images = [apply(key, example)["image"] for key in jax.random.split(KEY, 8)]
    assert any((image != example["image"]).any() for image in images)
    if make not in (horizontal_flip, vertical_flip):
        assert any((image != images[0]).any() for image in images[1:])


@EACH
def test_jit_changes_nothing(make, strength, dtype):
    example, apply = an_example(), make(strength)
    ours, theirs = apply(KEY, example), jax.jit(apply)(KEY, example)
    assert ours.keys() == theirs.keys()
    for name in ours:
        # Fused multiply-adds: an ulp of a coordinate (2e-6 of a pixel) times 255.
        np.testing.assert_allclose(ours[name], theirs[name], atol=1e-3, err_msg=name)
        assert jnp.asarray(ours[name]).dtype == theirs[name].dtype


@EACH
def test_a_sweep_over_strengths_is_one_program(make, strength, dtype):
    example = an_example()
    strengths = jnp.array([0, strength], dtype)
    together = jax.jit(jax.vmap(lambda s: make(s)(KEY, example)["image"]))(strengths)
    alone = [make(s)(KEY, example)["image"] for s in (0, strength)]
    np.testing.assert_allclose(together, jnp.stack(alone), atol=1e-3)


@EACH
def test_bytes_become_the_same_floats_and_the_rest_passes(make, strength, dtype):
    floats = an_example() | {"image": photo(0, 24, 32)}
    pixels = floats | {"image": floats["image"].astype(np.uint8), "name": np.float16(3)}
    apply = make(strength)
    ours = apply(KEY, pixels)
    assert ours["image"].dtype == jnp.float32
    assert ours["name"] is pixels["name"] and ours["label"] is pixels["label"]
    equal({k: v for k, v in ours.items() if k != "name"}, apply(KEY, floats))
    assert pixels["image"].dtype == np.uint8  # what came in is not changed


@pytest.mark.parametrize("name", sorted(GREY))
def test_grey_images_and_none_but_an_image(name):
    make, strength, _ = MAKERS[name]
    grey = photo(1, channels=1)
    moved = make(strength)(KEY, {"image": grey})
    assert moved.keys() == {"image"} and moved["image"].shape == grey.shape
    if name != "random_erasing":
        # A grey image is a colour image whose channels are all alike; the weights of grey, of which
        # contrast takes the mean, add up to 0.9999.
        three = make(strength)(KEY, {"image": np.repeat(grey, 3, axis=2)})["image"]
        np.testing.assert_allclose(three, jnp.repeat(moved["image"], 3, axis=2), atol=0.02)


@EACH
def test_an_example_does_not_depend_on_its_neighbours(make, strength, dtype):
    given, augment = batch(6), jax.jit(per_example(make(strength)))
    whole = augment(KEY, given)
    others = given | {"image": given["image"].copy()}
    others["image"][[0, 1, 3, 4, 5]] = 7
    np.testing.assert_array_equal(augment(KEY, others)["image"][2], whole["image"][2])


def test_a_chain_of_all_of_them_is_one_program_over_a_batch():
    parts = [make(strength) for make, strength, _ in MAKERS.values()]
    augment = compose(
        per_example(compose(*parts, alternating_flip())), cutmix(1.0, 4), mixup(0.2, 4)
    )
    given = batch(6)
    out = jax.jit(augment)(KEY, given)
    assert out["image"].shape == given["image"].shape and out["image"].dtype == jnp.float32
    assert out["label"].shape == (6, 4) and np.isfinite(out["image"]).all()
    assert out["epoch"].shape == () and out["mask"].dtype == bool


@EACH
def test_images_are_differentiable(make, strength, dtype):
    def total(image):
        return (make(strength)(KEY, {"image": image})["image"] ** 2).sum()

    gradient = jax.grad(total)(jnp.asarray(30 + 0.7 * photo(2)))
    assert np.isfinite(gradient).all() and (gradient != 0).any()

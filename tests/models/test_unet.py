"""U-Nets: the known counts and sizes, PyTorch layer by layer, tiles, and any size or backbone."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxvision.inspect import summarize_model
from jaxvision.models.densenet import densenet121
from jaxvision.models.resnet import resnet18
from jaxvision.models.unet import EncoderUNet, PaddedUNet, TwoConvs, UNet, unet_output_size
from jaxvision.models.vgg import vgg16_bn
from jaxvision.ops.dense_losses import pixel_cross_entropy
from jaxvision.ops.upsampling import upsample_bilinear
from tests.models.tracing import traced
from tests.ops.agreement import QUICK

jit = partial(jax.jit, compiler_options=QUICK)
SMALL = UNet(3, width=2, depth=2)
SMALL_PADDED = PaddedUNet(3, width=2, depth=2)


def drawn(model, shape, seed=0):
    """Images and variables of the right shapes, drawn with NumPy in float64."""
    random = np.random.default_rng(seed)

    def draw(path, leaf):
        if path[-1].key == "kernel":
            return random.normal(size=leaf.shape) * (2 / np.prod(leaf.shape[:-1])) ** 0.5
        return random.uniform(0.5, 1.5, leaf.shape)  # a variance among them

    return random.normal(size=shape), jax.tree.map_with_path(draw, traced(model, shape)[1])


def sizes_of(model, shape):
    (logits, features), _ = traced(model, shape)
    return logits.shape, {name: x.shape[1:] for name, x in features.items()}


# --- counts and sizes


def test_the_papers_network():
    summary = summarize_model(UNet(2), (572, 572, 1))
    assert summary.parameters == 31_030_658
    assert round(summary.macs / 1e9, 2) == 150.43
    sizes = {feature.name: feature.shape[1:] for feature in summary.features}
    assert summary.outputs[0].shape == (1, 388, 388, 2)
    expected = {}
    for i, (side, n) in enumerate(((568, 64), (280, 128), (136, 256), (64, 512)), 1):
        expected |= {f"down{i}": (side, side, n), f"pool{i}": (side // 2, side // 2, n)}
    expected["bottom"] = (28, 28, 1024)
    for i, (side, n) in ((4, (56, 512)), (3, (104, 256)), (2, (200, 128)), (1, (392, 64))):
        expected |= {f"upconv{i}": (side, side, n), f"up{i}": (side - 4, side - 4, n)}
    assert list(sizes.items()) == list(expected.items())


def test_the_padded_network():
    (logits, features), variables = traced(PaddedUNet(2), (1, 96, 64, 3))
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == 31_037_698
    assert logits.shape == (1, 96, 64, 2)
    assert features["bottom"].shape == (1, 6, 4, 1024)
    for path in flatten_dict(variables["params"]):
        # Biases belong to the norms, the enlargements and the head.
        assert path[-1] != "bias" or path[-2].startswith(("bn", "upconv", "head"))


@settings(deadline=None, max_examples=60)
@given(side=st.integers(1, 700), depth=st.integers(1, 4))
def test_sizes_that_fit_are_those_whose_maps_are_whole_and_not_empty(side, depth):
    def down_and_up(side):
        skips = []
        for _ in range(depth):
            skips.append(side - 4)
            if skips[-1] < 2 or skips[-1] % 2:
                return None
            side = skips[-1] // 2
        side -= 4
        for _ in skips:
            if side < 1:
                return None
            side = 2 * side - 4
        return side if side > 0 else None

    expected = down_and_up(side)
    if expected is not None:
        assert unet_output_size(side, depth) == expected
        return
    with pytest.raises(ValueError, match="`images` must have sides of") as caught:
        unet_output_size(side, depth)
    named = str(caught.value).split("crop it to ")[1].split(", or use")[0].split(" or ")
    near = [int(number) for number in named]
    assert all(down_and_up(number) for number in near)
    fits = [number for number in range(800) if down_and_up(number)]
    below, above = ([n for n in fits if n < side][-1:], [n for n in fits if n > side][:1])
    assert near == below + above


def test_refuses_a_size_that_does_not_fit():
    with pytest.raises(ValueError, match=r"16 s \+ 60 .* got 500: pad or crop it to 492 or 508"):
        traced(UNet(2), (1, 572, 500, 1))
    with pytest.raises(ValueError, match="got 100: pad or crop it to 188, or use PaddedUNet"):
        traced(UNet(2), (1, 100, 572, 1))
    assert unet_output_size(188) == 4
    assert unet_output_size(572) == 388


@pytest.mark.parametrize(("h", "w"), [(8, 12), (9, 14), (1, 3)])
def test_padded_takes_any_size(h, w):
    logits, features = sizes_of(SMALL_PADDED, (2, h, w, 1))
    assert logits == (2, h, w, 3)
    assert features["up1"] == (h, w, 2)
    assert features["bottom"] == (-(-h // 4), -(-w // 4), 8)


def test_without_a_head_logits_are_the_last_feature():
    for model, shape in (
        (UNet(None, width=2, depth=1), (1, 18, 20, 1)),
        (PaddedUNet(None, 2), (1, 9, 9, 1)),
    ):
        (logits, features), variables = traced(model, shape)
        assert "head" not in variables["params"]
        assert logits.shape == features["up1"].shape


# --- reference: PyTorch


def in_pytorch(torch, variables, image, padding, batch_norm):
    functional = torch.nn.functional
    params = flatten_dict(variables["params"], sep="/")
    stats = flatten_dict(variables.get("batch_stats", {}), sep="/")

    def tensor(leaves, path, axes=(0,)):
        return torch.from_numpy(leaves[path].transpose(axes).copy())

    def convs(x, name):
        for i in (1, 2):
            weight = tensor(params, f"{name}/conv{i}/kernel", (3, 2, 0, 1))
            bias = None if batch_norm else tensor(params, f"{name}/conv{i}/bias")
            x = functional.conv2d(x, weight, bias, padding=padding)
            if batch_norm:
                moments = (tensor(stats, f"{name}/bn{i}/{leaf}") for leaf in ("mean", "var"))
                affine = (tensor(params, f"{name}/bn{i}/{leaf}") for leaf in ("scale", "bias"))
                x = functional.batch_norm(x, *moments, *affine)
            x = torch.relu(x)
        return x

    x, skips = torch.from_numpy(image.transpose(0, 3, 1, 2).copy()), []
    for i in (1, 2):
        x = convs(x, f"down{i}")
        skips.append(x)
        x = functional.max_pool2d(x, 2)
    x = convs(x, "bottom")
    for i in (2, 1):
        weight = tensor(params, f"upconv{i}/kernel", (2, 3, 0, 1))
        x = functional.conv_transpose2d(x, weight, tensor(params, f"upconv{i}/bias"), stride=2)
        skip = skips.pop()
        cut = (skip.shape[2] - x.shape[2]) // 2, (skip.shape[3] - x.shape[3]) // 2
        skip = skip[:, :, cut[0] : cut[0] + x.shape[2], cut[1] : cut[1] + x.shape[3]]
        x = convs(torch.cat([skip, x], dim=1), f"up{i}")
    weight = tensor(params, "head/kernel", (3, 2, 0, 1))
    return functional.conv2d(x, weight, tensor(params, "head/bias")).numpy().transpose(0, 2, 3, 1)


@pytest.mark.parity
@pytest.mark.parametrize(
    ("model", "shape"), [(SMALL, (2, 44, 52, 2)), (SMALL_PADDED, (2, 12, 16, 2))]
)
def test_equals_pytorch(model, shape):
    torch = pytest.importorskip("torch")
    images, variables = drawn(model, shape)
    with jax.enable_x64(True):
        logits, _ = jit(lambda v, x: model.apply(v, x, train=False))(variables, images)
    padded = model is SMALL_PADDED
    expected = in_pytorch(torch, variables, images, padding=int(padded), batch_norm=padded)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(logits, expected, rtol=1e-9, atol=1e-9 * np.abs(expected).max())


# --- theorem


def test_tiles_say_what_the_whole_image_says():
    """Figure 2: nothing but the tile decides, so tiles that overlap give the same, seamlessly."""
    images, variables = drawn(SMALL, (1, 60, 44, 1))
    with jax.enable_x64(True):
        apply = jit(lambda v, x: SMALL.apply(v, x, train=False)[0])
        whole = apply(variables, images)
        tiles = [apply(variables, images[:, top : top + 44]) for top in range(0, 17, 4)]
    assert whole.shape == (1, 20, 4, 3)
    np.testing.assert_allclose(np.concatenate(tiles, axis=1), whole, rtol=1e-9)


def test_an_image_is_continued_by_its_last_row_and_column():
    images, variables = drawn(SMALL_PADDED, (1, 7, 10, 1))
    with jax.enable_x64(True):
        apply = jit(lambda v, x: SMALL_PADDED.apply(v, x, train=False)[0])
        larger = np.pad(images, ((0, 0), (0, 1), (0, 2), (0, 0)), "edge")
        np.testing.assert_allclose(
            apply(variables, images), apply(variables, larger)[:, :7, :10], rtol=1e-12
        )


def test_kernels_keep_the_variance_where_the_images_are_enlarged():
    model = UNet(None, width=32, depth=1, dropout=0.0)
    variables = jit(partial(model.init, train=False))(jax.random.key(0), jnp.zeros((1, 18, 18, 1)))
    kernel = np.asarray(variables["params"]["upconv1"]["kernel"])
    np.testing.assert_allclose(kernel.var(), 2 / 64, rtol=0.05)  # 64 inputs a pixel


# --- training


def test_dropout_is_behind_the_last_of_down_and_the_bottom():
    model = UNet(3, width=16, depth=2, dropout=0.5)
    images, variables = jax.tree.map(jnp.float32, drawn(model, (1, 44, 44, 1)))
    # Open ReLUs, so that a unit is 0 only where it is dropped.
    variables["params"]["down2"]["conv2"]["bias"] += 1e3
    variables["params"]["bottom"]["conv2"]["bias"] += 1e5

    @jit
    def evaluated_and_trained(variables):
        rngs = {"dropout": jax.random.key(1)}
        return tuple(model.apply(variables, images, train=t, rngs=rngs)[1] for t in (False, True))

    kept, dropped = evaluated_and_trained(variables)
    np.testing.assert_array_equal(dropped["down1"], kept["down1"])
    assert set(np.unique(dropped["down2"] / kept["down2"])) == {0.0, 2.0}
    for name in ("down2", "bottom"):
        assert (kept[name] > 0).all()
        units = kept[name].size  # five deviations of as many coins
        assert abs(np.mean(dropped[name] == 0) - 0.5) < 2.5 / units**0.5


def test_learns_to_tell_squares_from_their_surroundings():
    model = PaddedUNet(2, width=4, depth=2)
    images = np.zeros((2, 10, 10, 1), np.float32)
    images[0, 2:6, 3:8], images[1, 5:9, 1:4] = 1, 1
    images, labels = jnp.asarray(images), jnp.asarray(images[..., 0], jnp.int32)
    variables = jit(partial(model.init, train=False))(jax.random.key(0), images)

    @jit
    def step(params, stats):
        def loss(params):
            (logits, _), updates = model.apply(
                {"params": params, "batch_stats": stats}, images, train=True, mutable="batch_stats"
            )
            return pixel_cross_entropy(logits, labels).mean(), updates["batch_stats"]

        (value, stats), gradient = jax.value_and_grad(loss, has_aux=True)(params)
        return value, jax.tree.map(lambda p, g: p - 0.5 * g, params, gradient), stats

    params, stats, values = variables["params"], variables["batch_stats"], []
    for _ in range(30):
        value, params, stats = step(params, stats)
        values.append(float(value))
    assert values[-1] < 0.2 * values[0]


# --- any backbone


@pytest.mark.parametrize(
    ("backbone", "features", "channels"),
    [
        (vgg16_bn(None, hidden=()), ("relu1_2", "relu2_2", "relu3_3"), (64, 128, 256)),
        (resnet18(None), ("stem", "stage1", "stage2", "stage4"), (64, 64, 128, 512)),
        (densenet121(None), ("stem", "block1"), (64, 256)),
    ],
    ids=["vgg", "resnet", "densenet"],
)
def test_any_network_can_be_below(backbone, features, channels, unchecked):
    widths = tuple(8 * 2**i for i in range(len(features)))
    model = EncoderUNet(5, backbone, features, widths)
    (logits, outputs), variables = traced(model, (2, 90, 64, 3))
    assert logits.shape == (2, 90, 64, 5)
    assert outputs["up0"].shape == (2, 90, 64, 8)
    for i, (name, width) in enumerate(zip(features[:-1], widths[1:], strict=True), 1):
        assert outputs[f"up{i}"].shape == (*outputs[name].shape[:3], width)
    # The first on the way up sees the skip and what comes from below.
    kernel = variables["params"][f"up{len(features) - 1}"]["conv1"]["kernel"]
    assert kernel.shape == (3, 3, channels[-2] + channels[-1], widths[-1])
    assert variables["params"]["backbone"] == traced(backbone, (2, 90, 64, 3))[1]["params"]


def test_what_the_encoders_decoder_does():
    backbone = resnet18(None, width=2, depths=(1, 1))
    model = EncoderUNet(2, backbone, ("stage1", "stage2"), (3, 4))
    images, variables = drawn(model, (1, 33, 40, 1))
    with jax.enable_x64(True):
        logits, features = jit(lambda v, x: model.apply(v, x, train=False))(variables, images)
        below = {name: leaves["backbone"] for name, leaves in variables.items()}
        _, alone = jit(lambda v, x: backbone.apply(v, x, train=False))(below, images)
        for name, feature in alone.items():
            np.testing.assert_allclose(features[name], feature, rtol=1e-9)

        x = alone["stage2"]
        for name, skip, size in (("up1", alone["stage1"], (9, 10)), ("up0", None, (33, 40))):
            x = upsample_bilinear(x, *size, align_corners=False)
            x = x if skip is None else jnp.concatenate([skip, x], axis=3)
            own = {collection: leaves[name] for collection, leaves in variables.items()}
            x = jit(TwoConvs(features[name].shape[3], 1, True, False, None).apply)(own, x)
            np.testing.assert_allclose(features[name], x, rtol=1e-9, atol=1e-12)
        head = variables["params"]["head"]
        expected = x @ head["kernel"][0, 0] + head["bias"].reshape(1, 1, 1, 2)
        np.testing.assert_allclose(logits, expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("features", "widths", "match"),
    [
        (("stem", "stage1"), (8,), r"`widths` must be one for each of `features`"),
        ((), (), r"`widths` must be one for each of `features`, at least one"),
        (("stem", "stage9"), (8, 8), r"`feature` is unknown: 'stage9'. Did you mean"),
        (("stem", "pooled"), (8, 8), r"`features` must be maps \[b, h, w, c\], got 'pooled'"),
    ],
)
def test_refuses_features_that_do_not_fit(features, widths, match):
    with pytest.raises(ValueError, match=match):
        traced(
            EncoderUNet(2, resnet18(None, width=2, depths=(1, 1)), features, widths), (1, 64, 64, 3)
        )

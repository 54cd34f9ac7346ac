"""What a summary says of networks that can be counted by hand, and how it is shown."""

import json
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

import jaxvision.inspect
from jaxvision.inspect import summarize, summarize_model
from jaxvision.inspect.summary_table import short
from jaxvision.models.lenet import LeNet5, LeNet5Original
from jaxvision.ops.conv2d import conv2d
from jaxvision.ops.platform import CPU, form

IMAGES = jax.ShapeDtypeStruct((7, 8, 8, 3), jnp.float32)
CONV_MACS = 8 * 8 * 27 * 4
PARAMETERS = {
    "stem": np.ones((3, 3, 3, 4)),
    "block": np.ones((3, 3, 4, 4)),
    "head": np.ones((4, 5)),
}


def conv(x, kernel):
    return conv2d(x, jnp.asarray(kernel, x.dtype), padding=((1, 1), (1, 1)))


def network(weights, images):
    """Features that are not in alphabetical order, a residual block and one array by two names."""
    features = {}
    x = features["stem"] = jax.nn.relu(conv(images, weights["stem"]))
    x = features["block"] = jax.nn.relu(x + conv(x, weights["block"]))
    features["again"] = x
    features["aside"] = jnp.concatenate([x, x[..., :1]], axis=-1)
    x = features["pooled"] = x.mean((1, 2))
    return x @ weights["head"].astype(x.dtype), features


@pytest.fixture(scope="module")
def summary():
    return summarize(network, IMAGES, variables=PARAMETERS)


def test_counts_what_each_feature_depends_on(summary):
    stem, block, again, aside, pooled = summary.features
    assert [feature.name for feature in summary.features] == [
        *("stem", "block", "again", "aside", "pooled")
    ]
    assert stem.macs == CONV_MACS and stem.parameters == 108
    assert block.macs == CONV_MACS + 8 * 8 * 36 * 4 and block.parameters == 108 + 144
    assert aside.macs == pooled.macs == block.macs
    assert (again.macs, again.parameters) == (block.macs, block.parameters)
    (output,) = summary.outputs
    assert summary.macs == output.macs == block.macs + 20
    assert summary.parameters == output.parameters == 108 + 144 + 20
    assert summary.statistics == 0


def test_knows_shapes_and_bytes_of_one_image_whatever_the_batch(summary):
    assert summary.image_shape == (1, 8, 8, 3)
    assert [feature.shape for feature in summary.features[::2]] == [
        *((1, 8, 8, 4), (1, 8, 8, 4), (1, 4))
    ]
    assert summary.outputs[0].shape == (1, 5)
    sizes = [256 * 4, 256 * 4, 256 * 4, 320 * 4, 16]
    assert [feature.bytes for feature in summary.features] == sizes
    assert summary.feature_bytes == sum(sizes) - 256 * 4  # `again` is no array of its own
    # `stem` waits for the sum, into which the second convolution has gone; ReLUs are in place.
    assert summary.peak_bytes == 2 * 256 * 4


def test_finds_the_dataflow(summary):
    stem, block, again, aside, pooled = summary.features
    assert stem.sources == ("image",) and block.sources == ("stem",)
    assert again.sources == ("stem",) and again.same_as == "block" and block.same_as is None
    assert aside.sources == pooled.sources == ("block",)
    assert summary.outputs[0].sources == ("pooled",)
    assert block.joins == again.joins == ("add",)
    # Side by side, but no layer lies on either path; nor is a bias another path.
    assert stem.joins == aside.joins == pooled.joins == ()


def test_what_lies_before_a_feature_is_on_no_path_from_it():
    def fn(x):
        a = conv(x, jnp.ones((3, 3, 3, 4)))
        return {"a": a, "b": a + jax.nn.relu(a)}

    assert [feature.joins for feature in summarize(fn, IMAGES).features] == [(), ()]


def test_branches_side_by_side_are_a_join():
    kernel = jnp.ones((3, 3, 3, 4))
    (output,) = summarize(lambda x: jnp.concatenate([conv(x, kernel), x], -1), IMAGES).outputs
    assert output.joins == ("concatenate",)


def test_an_array_that_a_function_holds_is_no_parameter():
    found = summarize(partial(network, PARAMETERS), IMAGES)
    assert found.parameters == 0 and found.macs == CONV_MACS + 8 * 8 * 36 * 4 + 20


def test_products_of_parameters_alone_cost_no_image_anything():
    def fn(weights, images):
        return images.reshape(1, -1) @ (weights["a"] @ weights["b"])

    weights = {"a": jnp.ones((192, 6)), "b": jnp.ones((6, 2))}
    assert summarize(fn, IMAGES, variables=weights).macs == 192 * 2


class Net(nn.Module):
    """With batch norm, whose averages are no parameters, and Flax's own layers."""

    @nn.compact
    def __call__(self, x):
        x = nn.Conv(4, (3, 3), strides=2, padding=1, name="conv")(x)
        x = nn.BatchNorm(use_running_average=True, name="norm")(x)
        return nn.avg_pool(x, (2, 2), (2, 2))


def test_reads_flax_with_its_intermediates():
    variables = jax.eval_shape(Net().init, jax.random.key(0), IMAGES)
    apply = partial(Net().apply, capture_intermediates=True, mutable=["intermediates"])
    found = summarize(apply, IMAGES, variables=variables)
    assert (found.parameters, found.statistics) == (112 + 8, 8)
    fields = {f.name: (f.receptive_field[0], f.stride[0], f.offset[0]) for f in found.features}
    assert fields["intermediates/conv/__call__/0"] == (3, 2, -1)
    assert fields["intermediates/__call__/0"] == (5, 4, -1)


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (lambda x: x, ["output"]),
        (lambda x: (x, x + 1), ["output/0", "output/1"]),
        (lambda x: ({"b": x, "a": [x + 1]}, {"f": x + 2}), ["output/b", "output/a/0", "f"]),
        (lambda x: {"z": x, "deep": {"er": x + 1}, "none": None}, ["z", "deep/er"]),
    ],
)
def test_names_whatever_is_returned(result, names):
    found = summarize(result, IMAGES)
    assert [feature.name for feature in (*found.outputs, *found.features)] == names


def test_without_outputs_the_last_feature_is_the_output():
    kernel = jnp.ones((3, 3, 3, 4))
    found = summarize(lambda x: {"a": conv(x, kernel), "b": x.mean((1, 2))}, IMAGES)
    assert found.outputs == () and found.macs == 0
    assert found.features[0].macs == CONV_MACS


def test_the_image_itself_is_its_own_feature():
    (feature,) = summarize(lambda x: {"same": x}, IMAGES).features
    assert feature.same_as == "image" and feature.receptive_field == (1, 1)


def test_nothing_runs():
    # A pass over these 40 TB would not end today.
    images = jax.ShapeDtypeStruct((1, 10**6, 10**7, 1), jnp.float32)
    found = summarize(lambda x: nn.max_pool(x, (3, 3), (2, 2)), images)
    assert found.outputs[0].receptive_field == (3, 3)


def test_the_form_that_this_machine_prefers_does_not_matter():
    shape = jax.ShapeDtypeStruct((1, 9, 9, 4), jnp.float32)
    kernel = jnp.ones((3, 3, 2, 4))
    with form(CPU):
        found = summarize(lambda x: conv2d(x, kernel, groups=2), shape)
    assert found.macs == 7 * 7 * 9 * 2 * 4  # and not those of zeros between the groups


@pytest.mark.parametrize("make", [LeNet5, LeNet5Original])
def test_lenet(make):
    found = summarize_model(make(10), (32, 32, 1))
    fields = {f.name: (f.receptive_field[0], f.stride[0]) for f in found.features}
    assert fields == {
        "c1": (5, 1), "s2": (6, 2), "c3": (14, 2), "s4": (16, 4), "c5": (None, None),
        "f6": (None, None),
    }  # fmt: skip
    assert found.parameters == {LeNet5: 61_706, LeNet5Original: 60_000}[make]


def test_json_has_the_numbers(summary):
    found = json.loads(json.dumps(summary.to_dict()))
    assert found["parameters"] == 272 and found["macs"] == summary.macs
    block = found["features"][1]
    assert block["name"] == "block" and block["shape"] == [1, 8, 8, 4]
    assert (block["receptive_field"], block["stride"], block["offset"]) == (5, 1, -2)
    pooled = found["features"][4]
    assert pooled["receptive_field"] is None and pooled["stride"] is None


def test_json_has_pairs_where_rows_and_columns_differ_and_fractions():
    found = summarize(lambda x: jnp.repeat(x, 2, axis=1), IMAGES).to_dict()
    (output,) = json.loads(json.dumps(found))["outputs"]
    assert output["stride"] == [0.5, 1] and output["receptive_field"] == 1


def test_the_table_fits_80_columns_and_says_it_all(summary):
    lines = str(summary).splitlines()
    assert max(map(len, lines)) <= 80
    (block,) = (line.split() for line in lines if line.startswith("block"))
    assert " ".join(block) == "block 8 x 8 x 4 5 1 -2 252 16.1 k"
    (pooled,) = (line.split() for line in lines if line.startswith("pooled"))
    assert " ".join(pooled) == "pooled 4 image - - 252 16.1 k"
    assert any(line.split()[:2] == ["parameters", "272"] for line in lines)


def test_a_notebook_shows_the_same_text(summary, monkeypatch):
    monkeypatch.setattr("rich.console._is_jupyter", lambda: True)
    text = str(summary)
    assert "block" in text and "\x1b" not in text
    assert summary._repr_mimebundle_(include=None) == {"text/plain": text}


def test_a_wide_table_fits_80_columns_in_one_line_a_feature():
    widest = {f"stage{i}_block12": x for i, x in enumerate([1.0, 2.0])}

    def fn(weights, images):
        x = conv2d(images, weights, stride=(2, 2), padding=((3, 3), (3, 3)))
        return {name: x * factor for name, factor in widest.items()}

    images = jax.ShapeDtypeStruct((1, 224, 224, 2048), jnp.float32)
    weights = jax.ShapeDtypeStruct((7, 7, 2048, 1024), jnp.float32)
    text = str(summarize(fn, images, variables=weights))
    (line,) = (line for line in text.splitlines() if "stage1_block12" in line)
    assert "112 x 112 x 1024" in line and "102,760,448" in line and len(line) <= 80


@pytest.mark.parametrize(
    ("number", "text"),
    [
        *((0, "0"), (999, "999"), (1000, "1.00 k"), (9_996, "10.0 k"), (358_000, "358 k")),
        *((999_499, "999 k"), (999_500, "1.00 M"), (4_089_184_256, "4.09 G"), (10**20, "100 E")),
    ],
)
def test_large_numbers_have_three_digits(number, text):
    assert short(number) == text


@pytest.mark.parametrize(
    ("fn", "shape", "message"),
    [
        (lambda x: x, (8, 8, 3), r"`images` must be \[b, h, w, c\] .* got shape \[8, 8, 3\]"),
        (lambda x: x, (1, 0, 8, 3), r"`images` must .* got shape \[1, 0, 8, 3\]"),
        (lambda x: {}, (1, 8, 8, 3), "`fn` must return arrays, got none"),
        (lambda x: {"image": x}, (1, 8, 8, 3), "`fn` must not name a feature 'image'"),
        (lambda x: (x, {"output": x + 1}), (1, 8, 8, 3), "not name a feature 'output'"),
        (
            lambda x: lax.while_loop(lambda y: y.sum() < 1, lambda y: y @ jnp.ones((3, 3)), x),
            (1, 8, 8, 3),
            "`fn` must be countable",
        ),
    ],
)
def test_names_what_is_wrong(fn, shape, message):
    with pytest.raises(ValueError, match=message):
        summarize(fn, jax.ShapeDtypeStruct(shape, jnp.float32))


@pytest.mark.parametrize("name", jaxvision.inspect.__all__)
def test_the_package_has_what_it_lists(name):
    found = getattr(jaxvision.inspect, name)
    assert found.__name__ == name and found.__doc__


def test_the_package_has_no_more():
    with pytest.raises(AttributeError, match="no attribute 'plot_nothing'"):
        _ = jaxvision.inspect.plot_nothing

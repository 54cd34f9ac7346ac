"""DnCNN: counts, what it sees, PyTorch's weights, and real ones on real images."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from PIL import Image

from jaxvision.inspect import summarize_model
from jaxvision.models.dncnn import DnCNN, dncnn_b, dncnn_s
from jaxvision.ops.image_metrics import psnr
from jaxvision.ops.platform import compiler_options
from jaxvision.pretrained.dncnn_layout import from_dncnn_layout
from jaxvision.pretrained.read import read_tensors
from tests.models.tracing import traced
from tests.ops.agreement import QUICK

jit = partial(jax.jit, compiler_options=QUICK)


def torch_state(depth, width, channels=1, seed=0, prefix=""):
    """A state dict as PyTorch's program has it, drawn at random."""
    random = np.random.default_rng(seed)
    tensors, number = {}, 0
    for i in range(1, depth + 1):
        shape = (channels if i == depth else width, channels if i == 1 else width, 3, 3)
        tensors[f"{number}.weight"] = random.normal(size=shape) / (9 * shape[1]) ** 0.5
        number += 1
        if 1 < i < depth:
            for leaf in ("weight", "bias", "running_mean", "running_var"):
                tensors[f"{number}.{leaf}"] = random.uniform(0.5, 1.5, width)
            tensors[f"{number}.num_batches_tracked"] = np.array(7)
            number += 1
        number += 1  # the ReLU
    return {f"{prefix}dncnn.{name}": tensor for name, tensor in tensors.items()}


def in_pytorch(torch, tensors, depth, image):
    functional = torch.nn.functional
    tensors = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    y = torch.from_numpy(image.transpose(0, 3, 1, 2).copy())
    x = torch.relu(functional.conv2d(y, tensors["dncnn.0.weight"], padding=1))
    for number in range(2, 3 * depth - 4, 3):
        x = functional.conv2d(x, tensors[f"dncnn.{number}.weight"], padding=1)
        leaves = ("running_mean", "running_var", "weight", "bias")
        x = functional.batch_norm(x, *(tensors[f"dncnn.{number + 1}.{leaf}"] for leaf in leaves))
        x = torch.relu(x)
    residual = functional.conv2d(x, tensors[f"dncnn.{3 * depth - 4}.weight"], padding=1)
    return (y - residual).numpy().transpose(0, 2, 3, 1)


@pytest.mark.parametrize(
    ("make", "depth", "convolutions", "norms", "field"),
    # Section III.A: a network of depth d sees (2 d + 1) x (2 d + 1) pixels.
    [(dncnn_s, 17, 554_112, 15 * 128, 35), (dncnn_b, 20, 664_704, 18 * 128, 41)],
)
def test_counts_and_receptive_field(make, depth, convolutions, norms, field):
    summary = summarize_model(make(), (48, 64, 1))
    assert summary.parameters == convolutions + norms
    assert summary.outputs[0].receptive_field == (field, field)
    assert summary.macs == convolutions * 48 * 64
    (output, features), variables = traced(make(), (2, 48, 64, 1))
    assert output.shape == features["residual"].shape == (2, 48, 64, 1)
    assert list(features) == [*(f"relu{i}" for i in range(1, depth)), "residual"]
    names = {path[-2:] for path in flatten_dict(variables["params"])}
    assert not any(module.startswith("conv") and leaf == "bias" for module, leaf in names)
    assert {module for module, _ in names if module.startswith("bn")} == {
        f"bn{i}" for i in range(2, depth)
    }


def test_without_a_residual_the_image_stays():
    model = DnCNN(depth=4, width=3)
    images = jnp.asarray(np.random.default_rng(0).normal(size=(2, 7, 9, 3)), jnp.float32)
    variables = jit(partial(model.init, train=False))(jax.random.key(0), images)
    denoised, features = jit(partial(model.apply, train=False))(variables, images)
    np.testing.assert_allclose(denoised, images - features["residual"], atol=1e-6)
    variables["params"]["conv4"]["kernel"] *= 0
    denoised, _ = jit(partial(model.apply, train=False))(variables, images)
    np.testing.assert_array_equal(denoised, images)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_every_weight_finds_its_place(prefix):
    tensors = torch_state(5, 4, prefix=prefix)
    variables = from_dncnn_layout(tensors)
    _, expected = traced(DnCNN(depth=5, width=4), (1, 8, 8, 1))
    shapes = jax.tree.map(jnp.shape, variables)
    assert shapes == jax.tree.map(lambda leaf: leaf.shape, expected)
    np.testing.assert_array_equal(
        variables["params"]["conv3"]["kernel"],
        tensors[f"{prefix}dncnn.5.weight"].transpose(2, 3, 1, 0),
    )
    np.testing.assert_array_equal(
        variables["batch_stats"]["bn4"]["var"], tensors[f"{prefix}dncnn.9.running_var"]
    )


@pytest.mark.parametrize("name", ["dncnn.1.weight", "other.0.weight", "dncnn.x.weight"])
def test_what_is_not_known_keeps_its_name(name):
    module = name.rpartition(".")[0]
    assert module in from_dncnn_layout({name: np.ones(3)})["params"]


@pytest.mark.parity
def test_equals_pytorch():
    torch = pytest.importorskip("torch")
    tensors = torch_state(5, 4, channels=2)
    image = np.random.default_rng(1).normal(size=(2, 9, 8, 2))
    with jax.enable_x64(True):
        apply = jit(partial(DnCNN(depth=5, width=4).apply, train=False))
        denoised, _ = apply(from_dncnn_layout(tensors), image)
    expected = in_pytorch(torch, tensors, 5, image)
    assert np.abs(expected - image).max() > 0.1
    np.testing.assert_allclose(denoised, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("options", "match"),
    [({"depth": 1}, "`depth` must be .* from 2 on, got 1"), ({"width": 0}, "`width` must be")],
)
def test_refuses_networks_of_nothing(options, match):
    with pytest.raises(ValueError, match=match):
        DnCNN(**options)


@pytest.mark.real_data
@pytest.mark.usefixtures("optimized")
def test_real_weights_on_set12_give_what_they_give_in_pytorch(shared):
    """Sigma 15, in the mean over Set12: PyTorch makes 32.802 dB of these weights and this noise.

    The paper's own weights have 32.859 (Table III); these come from training again. Another draw of
    the noise changes the mean by 0.02.
    """
    tensors = read_tensors(shared / "weights" / "dncnn_s_15.safetensors")
    variables = jax.tree.map(jnp.asarray, from_dncnn_layout(tensors))
    denoise = jax.jit(
        lambda noisy: dncnn_s().apply(variables, noisy, train=False)[0],
        compiler_options=compiler_options(),
    )
    random = np.random.default_rng(0)
    before, after = [], []
    for path in sorted((shared / "datasets" / "set12").glob("*.png")):
        clean = np.float32(Image.open(path).convert("L"))[None, :, :, None] / 255
        noisy = jnp.float32(clean + 15 / 255 * random.standard_normal(clean.shape))
        clean = jnp.asarray(clean)
        before.append(float(psnr(noisy, clean, 1)[0]))
        after.append(float(psnr(jnp.clip(denoise(noisy), 0, 1), clean, 1)[0]))
    assert len(after) == 12
    assert np.mean(before) == pytest.approx(20 * np.log10(255 / 15), abs=0.02)
    assert np.mean(after) == pytest.approx(32.802, abs=0.005)

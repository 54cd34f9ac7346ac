"""What docs/from_pytorch.md says of PyTorch is so: PyTorch is asked."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvision import optim
from jaxvision.models.layers import BatchNorm, Conv

pytestmark = pytest.mark.parity
PAGE = (Path(__file__).parents[1] / "docs" / "from_pytorch.md").read_text()
PAIRS = re.findall(r"^\| `(torch\.optim\.[^`]+)` \| `(opt[^`]+)` \|$", PAGE, re.MULTILINE)
START = np.array([1.0, -2.0, 0.5], np.float32)
SCALE = np.array([1.0, 3.0, 0.2], np.float32)  # of the loss, sum scale w^2 / 2


def test_all_optimizers_of_the_page_are_compared():
    assert len(PAIRS) == 11


@pytest.mark.parametrize(("theirs", "ours"), PAIRS)
def test_optimizers_take_the_same_steps(theirs, ours):
    torch = pytest.importorskip("torch")
    w = torch.tensor(START.copy(), requires_grad=True)
    reference = eval(theirs, {"torch": torch, "params": [w]})
    optimizer = eval(ours, {"optim": optim, "optax": optax})
    v = jnp.array(START)
    state = optimizer.init(v)
    for _ in range(5):
        w.grad = torch.from_numpy(SCALE) * w.detach()
        reference.step()
        updates, state = optimizer.update(SCALE * v, state, v)
        v = optax.apply_updates(v, updates)
        # Some units in the last place, of states that are divided by small ones.
        np.testing.assert_allclose(v, w.detach().numpy(), rtol=1e-5, atol=1e-6)


def network_here(variables, images):
    x = Conv(8, 3, stride=2, padding=1).apply({"params": variables["params"]["conv"]}, images)
    x = BatchNorm(train=False).apply(
        {"params": variables["params"]["bn"], "batch_stats": variables["batch_stats"]["bn"]}, x
    )
    dense = variables["params"]["fc"]
    return x.reshape(len(x), -1) @ dense["kernel"] + dense["bias"].reshape(1, -1)


def test_the_converted_weights_compute_the_same():
    torch = pytest.importorskip("torch")
    block = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)[1]
    names = {}
    exec(compile(block, "from_pytorch.md", "exec"), names)
    network = torch.nn.ModuleDict(
        {"conv": torch.nn.Conv2d(3, 8, 3, stride=2, padding=1), "bn": torch.nn.BatchNorm2d(8),
         "fc": torch.nn.Linear(8 * 4 * 4, 10)}
    ).eval()  # fmt: skip
    network.load_state_dict(
        {name: torch.from_numpy(array.copy()) for name, array in names["back"].items()}
        | {"bn.num_batches_tracked": torch.tensor(0)}
    )
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 3)).astype(np.float32)
    with torch.no_grad():
        x = network["bn"](network["conv"](torch.from_numpy(images.transpose(0, 3, 1, 2).copy())))
        expected = network["fc"](x.flatten(1)).numpy()
    got = network_here(jax.tree.map(jnp.asarray, names["variables"]), jnp.asarray(images))
    np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-4)


def test_batch_norm_keeps_the_same_averages():
    torch = pytest.importorskip("torch")
    images = np.random.default_rng(2).normal(1, 2, (4, 3, 3, 5)).astype(np.float32)
    theirs = torch.nn.BatchNorm2d(5)  # momentum 0.1
    theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
    ours = BatchNorm(train=True)  # momentum 0.9
    variables = ours.init(jax.random.key(0), jnp.asarray(images))
    _, updated = ours.apply(
        {"params": variables["params"], "batch_stats": {"mean": jnp.zeros(5), "var": jnp.ones(5)}},
        jnp.asarray(images), mutable=["batch_stats"],
    )  # fmt: skip
    statistics = updated["batch_stats"]
    np.testing.assert_allclose(statistics["mean"], theirs.running_mean.numpy(), rtol=1e-5)
    np.testing.assert_allclose(statistics["var"], theirs.running_var.numpy(), rtol=1e-5)

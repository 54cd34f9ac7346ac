"""The programs of `benchmarks/cifar10.py`: a start, an epoch and a test, for `jax.jit`.

An epoch is one scan over its steps, and makes its batches itself, from a key and the number of the
epoch: the order of the images, and by how many pixels each is moved. The images stay on the device
as bytes.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax
from jaxtyping import Array, PyTree

from benchmarks.cifar10_network import WhitenedNet, largest_divisor, whitening_kernel
from benchmarks.cifar10_recipes import Optimizer, Recipe
from jaxvision.ops.losses import categorical_cross_entropy

SMOOTHING = 0.2  # of the labels
WHITENING_EPOCHS = 3  # in which the first layer's bias learns
SHIFT = 2  # pixels, at most, in each direction
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)  # of CIFAR-10's pixels, by colour
LOOKAHEAD_EVERY = 5  # steps
TEST_BATCH = 1000


class State(NamedTuple):
    """All that a step changes, `slow` being Lookahead's weights or None."""

    step: Array
    params: PyTree
    batch_stats: PyTree
    opt_state: PyTree
    slow: PyTree


class Data(NamedTuple):
    """Training images with a border of `SHIFT` pixels, and which of them begin mirrored."""

    images: Array  # uint8 [n, 36, 36, 3]
    labels: Array  # int32 [n]
    mirrored: Array  # bool [n]


def normalized(pixels: Array, dtype: Any) -> Array:
    """Bytes [b, h, w, 3] as numbers of mean 0 and variance 1."""
    mean, std = (jnp.asarray(c, jnp.float32).reshape(1, 1, 1, 3) for c in (MEAN, STD))
    return ((pixels.astype(jnp.float32) / 255 - mean) / std).astype(dtype)


def padded(images: np.ndarray, pixels: int) -> np.ndarray:
    return np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), "reflect")


def augmented(data: Data, rows: Array, shifts: Array, epoch: Array) -> Array:
    """Images [b, 32, 32, 3], moved by `shifts` [b, 2], mirrored in every other epoch.

    Half of the images are mirrored in the even epochs and half in the odd ones, so two epochs see
    both sides of each; with a coin for each image and epoch, half of them would repeat one.
    """
    side = data.images.shape[1] - 2 * SHIFT

    def crop(row, shift):
        start = (row, shift[0], shift[1], 0)
        return lax.dynamic_slice(data.images, start, (1, side, side, 3))[0]

    crops = jax.vmap(crop)(rows, shifts)
    mirror = data.mirrored[rows] ^ (epoch % 2 == 1)
    return jnp.where(mirror.reshape(-1, 1, 1, 1), crops[:, :, ::-1], crops)


@dataclasses.dataclass(frozen=True)
class Trainer:
    """The three programs, pure functions of their arguments.

    Attributes:
        recipe: how to train.
        model: what to train.
        steps: in all.
        steps_an_epoch: whole batches in an epoch.
    """

    recipe: Recipe
    model: WhitenedNet
    steps: int
    steps_an_epoch: int

    @property
    def optimizer(self) -> Optimizer:
        whitening_steps = WHITENING_EPOCHS * self.steps_an_epoch
        return self.recipe.optimizer(self.steps, whitening_steps, self.recipe.batch_size)

    def init(self, key: Array, pixels: Array) -> tuple[State, PyTree]:
        """The state, and the frozen "whitening" of some training images [n, 32, 32, 3]."""
        variables = self.model.init(key, normalized(pixels[:1], jnp.float32), train=False)
        params = variables["params"]
        if self.recipe.unit_head:
            params = {**params, "head": params["head"] / params["head"].std()}
        slow = None
        if self.recipe.lookahead:
            slow = jax.tree.map(jnp.copy, (params, variables["batch_stats"]))
        state = State(
            jnp.zeros([], jnp.int32),
            params,
            variables["batch_stats"],
            self.optimizer.init(params),
            slow,
        )
        return state, {"kernel": whitening_kernel(normalized(pixels, jnp.float32))}

    def step(
        self, state: State, whitening: PyTree, images: Array, labels: Array, train_whitening: bool
    ) -> tuple[State, Array]:
        """One update; returns the new state and the mean loss."""
        model = self.model.clone(train_whitening=train_whitening)

        def objective(params):
            (logits, _), updated = model.apply(
                {"params": params, "batch_stats": state.batch_stats, "whitening": whitening},
                normalized(images, model.dtype),
                train=True,
                mutable=["batch_stats"],
            )
            losses = categorical_cross_entropy(logits, labels, label_smoothing=SMOOTHING)
            return losses.sum(), updated["batch_stats"]

        (loss, batch_stats), gradients = jax.value_and_grad(objective, has_aux=True)(state.params)
        updates, opt_state = self.optimizer.update(gradients, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        state = State(state.step + 1, params, batch_stats, opt_state, state.slow)
        if self.recipe.lookahead:
            state = self.look_ahead(state)
        return state, loss / len(labels)

    def look_ahead(self, state: State) -> State:
        """Every few steps the slow weights follow the fast ones, which go back to them.

        The slow ones keep a part that grows with the cube of the time; in the end, they are what
        was trained (Zhang, Lucas, Hinton & Ba, "Lookahead Optimizer", 2019, is its idea).
        """
        kept = 0.95**LOOKAHEAD_EVERY * (state.step / self.steps) ** 3
        kept = jnp.where(state.step == self.steps, 1.0, kept)
        now = (state.step % LOOKAHEAD_EVERY == 0) | (state.step == self.steps)
        fast = (state.params, state.batch_stats)
        met = jax.tree.map(lambda s, f: kept * s + (1 - kept) * f, state.slow, fast)
        slow, fast = (
            jax.tree.map(lambda new, old: jnp.where(now, new, old), met, old)
            for old in (state.slow, fast)
        )
        return state._replace(params=fast[0], batch_stats=fast[1], slow=slow)

    def epoch(
        self,
        state: State,
        whitening: PyTree,
        data: Data,
        key: Array,
        number: Array,
        steps: int,
        train_whitening: bool,
    ) -> tuple[State, Array]:
        """The first `steps` steps of epoch `number`; returns the state and each step's loss."""
        n, b = len(data.labels), self.recipe.batch_size
        order_key, shift_key = jax.random.split(jax.random.fold_in(key, number))
        rows = jax.random.permutation(order_key, n)[: steps * b].reshape(steps, b)
        shifts = jax.random.randint(shift_key, (steps, b, 2), 0, 2 * SHIFT + 1)

        def body(state, chosen):
            rows, shifts = chosen
            images = augmented(data, rows, shifts, number)
            return self.step(state, whitening, images, data.labels[rows], train_whitening)

        return lax.scan(body, state, (rows, shifts))

    def test(
        self, state: State, whitening: PyTree, images: Array, labels: Array, several: bool
    ) -> Array:
        """The accuracy for images with a border of 1 pixel.

        `several` views of each image: as it is and moved by a pixel along the diagonal, half of the
        weight on each, and all of them from both sides.
        """
        variables = {
            "params": state.params,
            "batch_stats": state.batch_stats,
            "whitening": whitening,
        }

        def logits(pixels):
            return self.model.apply(variables, normalized(pixels, self.model.dtype), train=False)[0]

        def both_sides(pixels):
            return (logits(pixels) + logits(pixels[:, :, ::-1])) / 2

        def right(batch):
            pixels, labels = batch
            centre = pixels[:, 1:-1, 1:-1]
            if several:
                moved = both_sides(pixels[:, :-2, :-2]) + both_sides(pixels[:, 2:, 2:])
                out = (both_sides(centre) + moved / 2) / 2
            else:
                out = logits(centre)
            return jnp.argmax(out, axis=1) == labels

        size = largest_divisor(len(labels), TEST_BATCH)
        batches = (a.reshape(-1, size, *a.shape[1:]) for a in (images, labels))
        return lax.map(right, tuple(batches)).mean()

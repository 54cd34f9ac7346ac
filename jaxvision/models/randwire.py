"""Randomly wired networks: draw the wiring, and learn the weights on it.

Xie, Kirillov, Girshick & He, "Exploring Randomly Wired Neural Networks for Image Recognition", ICCV
2019, sections 3.2 and 3.4, Table 1 (small regime), https://arxiv.org/abs/1904.01569. With width C:

    conv1    3x3 convolution and batch norm, stride 2      C / 2
    conv2    ReLU, 3x3 convolution, batch norm, stride 2   C
    conv3    random graph of N nodes                       C
    conv4    random graph of N nodes                       2 C
    conv5    random graph of N nodes                       4 C
    conv6    ReLU, 1x1 convolution, batch norm, ReLU       1280, averaged over the image

A node sums its inputs x_i with learned positive weights and transforms the sum,

    y = BN(pointwise(depthwise_3x3(ReLU(sum_i sigmoid(w_i) x_i))))

Nodes to which none points take the stage's input, with stride 2; the stage's output is the mean of
the nodes that point to none. With N = 32 and C = 78 the paper counts 5.6 M parameters and 583 M
multiply-accumulates, give or take 0.1 M and 6 M from one random graph to the next.

The table's caption and its counts do not agree on conv2: as a separable convolution, which the
caption has for all but conv1, it would leave 75 M multiply-accumulates too few. We take the counts.
"""

from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from jaxvision.models.layers import (
    BatchNorm,
    Conv,
    Dtype,
    Features,
    Network,
    check_image_size,
)
from jaxvision.models.random_graphs import (
    Generator,
    Graph,
    barabasi_albert,
    erdos_renyi,
    watts_strogatz,
)


class Node(nn.Module):
    """Weighted sum, ReLU, separable convolution, batch norm: n arrays [b, h, w, c] -> one.

    Attributes:
        features: output channels.
        stride: 2 at the beginning of a stage.
        train: see `BatchNorm`.
        dtype: what is computed in.
    """

    features: int
    stride: int
    train: bool
    dtype: Dtype = None

    @nn.compact
    def __call__(self, *inputs: Float[Array, "b h w c"]) -> Float[Array, "b hs ws features"]:
        x = inputs[0]
        if len(inputs) > 1:
            zeros = nn.initializers.zeros
            weights = nn.sigmoid(self.param("weights", zeros, (len(inputs),), jnp.float32))
            x = sum(weights[i].astype(x.dtype) * x for i, x in enumerate(inputs))
        c = x.shape[-1]
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        x = conv(c, 3, self.stride, padding=1, groups=c, name="depthwise")(nn.relu(x))
        return BatchNorm(self.train, name="bn")(conv(self.features, 1, name="pointwise")(x))


class Stage(nn.Module):
    """One random graph: [b, h, w, c] -> [b, h/2, w/2, features].

    Attributes:
        graph: for each node its inputs.
        features: channels of every node.
        train: see `BatchNorm`.
        dtype: what is computed in.
        remat: whether the backward pass computes each node's inner arrays again.
    """

    graph: Graph
    features: int
    train: bool
    dtype: Dtype = None
    remat: bool = False

    @nn.compact
    def __call__(self, x: Float[Array, "b h w c"]) -> Float[Array, "b hs ws features"]:
        make_node = nn.remat(Node) if self.remat else Node
        outputs = []
        for i, sources in enumerate(self.graph):
            stride = 1 if sources else 2
            node = make_node(self.features, stride, self.train, self.dtype, name=f"node{i + 1}")
            outputs.append(node(*(outputs[j] for j in sources)) if sources else node(x))
        inner = {j for sources in self.graph for j in sources}
        ends = [output for i, output in enumerate(outputs) if i not in inner]
        return sum(ends) / len(ends)


class RandWire(Network):
    """Images [b, h, w, c] -> (logits [b, classes], conv1 ... conv6 and pooled by name).

    Attributes:
        num_classes: width of the head; None for no head, and then the logits are `pooled`.
        generator: what draws each stage's graph.
        seed: decides the graphs: another seed is another network.
        nodes: N, in each of the three graphs.
        width: C, channels of conv2 and conv3.
        dtype: what is computed in; parameters, statistics and logits stay float32.
        remat: whether the backward pass computes each node's inner arrays again.

    Raises:
        ValueError: if `num_classes` is below 1, or an image is below 32 x 32.
    """

    generator: Generator = partial(watts_strogatz, neighbours=4, rewiring=0.75)
    seed: int = 0
    nodes: int = 32
    width: int = 78
    dtype: Dtype = None
    remat: bool = False
    image_size: ClassVar[int | None] = 224
    minimum_size: ClassVar[int] = 32

    @property
    def graphs(self) -> tuple[Graph, Graph, Graph]:
        """The graphs of conv3, conv4 and conv5."""
        random = np.random.RandomState(self.seed)
        conv3, conv4, conv5 = (self.generator(self.nodes, random) for _ in range(3))
        return conv3, conv4, conv5

    @nn.compact
    def __call__(
        self, images: Float[Array, "b h w c"], *, train: bool
    ) -> tuple[Float[Array, "b classes"], Features]:
        check_image_size(images, self.minimum_size, "randwire")
        conv = partial(Conv, use_bias=False, dtype=self.dtype)
        norm = partial(BatchNorm, train)
        stage = partial(Stage, train=train, dtype=self.dtype, remat=self.remat)

        features = {}
        x = conv(self.width // 2, 3, stride=2, padding=1, name="conv1")(images)
        x = features["conv1"] = norm(relu=True, name="bn1")(x)  # with the ReLU that opens conv2
        x = conv(self.width, 3, stride=2, padding=1, name="conv2")(x)
        x = features["conv2"] = norm(name="bn2")(x)
        for i, graph in enumerate(self.graphs):
            name = f"conv{i + 3}"
            x = features[name] = stage(graph, self.width * 2**i, name=name)(x)
        x = conv(1280, 1, name="conv6")(nn.relu(x))
        x = features["conv6"] = norm(relu=True, name="bn6")(x)
        x = features["pooled"] = jnp.mean(x, axis=(1, 2))
        if self.num_classes is not None:
            x = nn.Dense(self.num_classes, name="head")(x)
        return x, features


randwire_er = partial(RandWire, generator=partial(erdos_renyi, probability=0.2))
randwire_ba = partial(RandWire, generator=partial(barabasi_albert, attachments=5))
randwire_ws = partial(RandWire, generator=partial(watts_strogatz, neighbours=4, rewiring=0.75))

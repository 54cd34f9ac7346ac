"""What `python -m tests.mutation` breaks in `jaxvision.models`."""

RESNET = [
    *("tests/models/test_models.py", "tests/models/test_models_in_numbers.py"),
    *("tests/models/test_resnet.py", "-k", "resnet"),
]
TESTS = {
    "layers": RESNET,
    "resnet": RESNET,
    "cifar_resnet": ["tests/models/test_cifar_resnet.py"],
    "densenet": [
        *("tests/models/test_densenet.py", "tests/inspect/test_zoo_facts.py", "-k", "densenet"),
    ],
    "random_graphs": ["tests/models/test_random_graphs.py"],
    "randwire": ["tests/models/test_randwire.py"],
    "self_normalizing": ["tests/models/test_self_normalizing.py"],
    "darknet": ["tests/models/test_darknet.py"],
    "yolo": ["tests/models/test_yolo.py"],
    "pyramid": ["tests/models/test_faster_rcnn.py"],
    "region_proposals": ["tests/models/test_faster_rcnn.py"],
    "regions": ["tests/models/test_faster_rcnn.py"],
    "faster_rcnn": ["tests/models/test_faster_rcnn.py"],
    "unet": ["tests/models/test_unet.py"],
    "dncnn": ["tests/models/test_dncnn.py"],
    "espcn": ["tests/models/test_espcn.py"],
    "srcnn": ["tests/models/test_espcn.py"],
    "convolutional_denoiser": ["tests/models/test_espcn.py"],
    "density": ["tests/models/test_density.py"],
}

MUTANTS = {
    "layers": [
        ("batch_var * (m / max(m - 1, 1))", "batch_var"),
        (
            "self.momentum * average.value + (1 - self.momentum) * new",
            "(1 - self.momentum) * average.value + self.momentum * new",
        ),
        ("x.shape[-1] // self.groups, self.features)", "x.shape[-1], self.features)"),
        ("min(h, w) < minimum", "max(h, w) < minimum"),
    ],
    "resnet": [
        ("stride1, stride2 = (self.stride, 1)", "stride1, stride2 = (1, self.stride)"),
        ("stride = 2 if i > 0 and j == 0 else 1", "stride = 2 if i > 0 and j == 1 else 1"),
        ("self.width * 2**i, stride", "self.width * (i + 1), stride"),
        (
            "conv(inner, 3, stride2, padding=1, groups=self.groups",
            "conv(inner, 3, stride2, padding=1",
        ),
    ],
    "cifar_resnet": [
        ("(before, zeros - before)", "(zeros - before, before)"),
        ("partial(BasicBlock, shortcut=pad)", "partial(BasicBlock)"),
    ],
    "densenet": [
        ("(4 * self.growth, 1)", "(2 * self.growth, 1)"),
        ("math.floor(self.compression * x.shape[-1])", "math.ceil(self.compression * x.shape[-1])"),
        ("compression: float = 0.5", "compression: float = 1.0"),
    ],
    "random_graphs": [
        ("if _hangs_together(joined):", "if True:"),
        ("p=degrees / degrees.sum())", "p=(degrees > 0) / (degrees > 0).sum())"),
        ("random.random_sample() < rewiring", "random.random_sample() < rewiring / 2"),
    ],
    "randwire": [
        ("stride = 1 if sources else 2", "stride = 1"),
        ("return sum(ends) / len(ends)", "return sum(ends)"),
        ('name="depthwise")(nn.relu(x))', 'name="depthwise")(x)'),
    ],
    "self_normalizing": [
        ("if train and not is_zero(self.dropout):", "if False:"),
        ("nn.initializers.lecun_normal()", "nn.initializers.he_normal()"),
    ],
    "unet": [
        ("// 2, (x.shape[2] - width) // 2", "// 2, x.shape[2] - width"),
        ("transposed_conv2d(x, kernel, 2) +", "transposed_conv2d(x, kernel[::-1], 2) +"),
        ("variance_scaling(8.0,", "variance_scaling(2.0,"),
        ('(0, right), (0, 0)), "edge")', "(0, right), (0, 0)))"),
        ("if step * (s - 4) > lost)", "if step * (s - 4) >= lost)"),
        ("if i == model.depth:", "if i == 1:"),
        (
            "jnp.concatenate([_middle(skips.pop(), *x.shape[1:3]), x], axis=3)",
            "jnp.concatenate([x, _middle(skips.pop(), *x.shape[1:3])], axis=3)",
        ),
        ('x = features["bottom"] = dropout(name="dropout_bottom")(x)', 'features["bottom"] = x'),
    ],
    "dncnn": [
        ("return images - residual,", "return images + residual,"),
        ("if i > 1 else nn.relu(x)", "if i > 2 else nn.relu(x)"),
        ("use_bias=False", "use_bias=True"),
        ("for i in range(1, self.depth):", "for i in range(1, self.depth - 1):"),
        ("partial(DnCNN, depth=20)", "partial(DnCNN, depth=18)"),
    ],
    "espcn": [
        ("nn.tanh(conv(x))", "nn.relu(conv(x))"),
        ("(5, 3), strict=True)", "(3, 5), strict=True)"),
        ("self.factor**2 * images.shape[3]", "self.factor**2 * images.shape[3] * 2"),
        ("pixel_shuffle(x, self.factor).astype(images.dtype)", "pixel_shuffle(x, self.factor)"),
        ("channels, 3, padding=1,", "channels, 1, padding=0,"),
    ],
    "srcnn": [
        ("(9, 1), strict=True)", "(9, 3), strict=True)"),
        ("nn.relu(conv(x))", "conv(x)"),
        ("            5,\n            padding=2,\n", "            3,\n            padding=1,\n"),
        ("padding=kernel // 2", "padding=0"),
        ("return conv(x).astype(images.dtype)", "return conv(x)"),
    ],
    "convolutional_denoiser": [
        ("for i in (1, 2):", "for i in (1,):"),
        ("nn.relu(Conv(", "nn.tanh(Conv("),
        ('"padding": self.kernel_size // 2', '"padding": 1'),
        ("if self.kernel_size % 2 == 0:", "if False:"),
        ("Conv(images.shape[3], **shape", "Conv(1, **shape"),
    ],
    "darknet": [
        ("jnp.maximum(x, 0.1 * x)", "jnp.maximum(x, 0)"),
        ("use_bias=not self.batch_norm", "use_bias=True"),
        ("(sum(self.pools) + strides.count(2))", "(sum(self.pools))"),
        ("(*_twice(256, 512, 4),", "(*_twice(256, 512, 3),"),
    ],
    "yolo": [
        ("x = Dropout(self.dropout, train)(x)", "x = x"),
        ("[0.5, 0.5, 0.5, 0.5, 0.0]", "[0.5, 0.5, 0.0, 0.0, 0.0]"),
        ("hidden=(256, 4096)", "hidden=(4096,)"),
    ],
    "pyramid": [
        ("x = x + _enlarge(merged, *x.shape[1:3])", "x = x"),
        ("levels[-1][:, ::2, ::2]", "levels[-1][:, 1::2, 1::2]"),
    ],
    "region_proposals": [
        ("said = jax.lax.stop_gradient(list(said))", "said = list(said)"),
        ("mask=jnp.all(sides >= SMALLEST, axis=1)", "mask=None"),
        ("jnp.full(likeliest.shape, number)", "jnp.full(likeliest.shape, 0)"),
        ("scores[..., 0] if self.scores == 1", "scores[..., 0] if True"),
    ],
    "regions": [
        ("ANCHOR_LOW, best=True", "ANCHOR_LOW"),
        (
            "jnp.concatenate([boxes, proposals.boxes])",
            "jnp.concatenate([boxes + 99, proposals.boxes])",
        ),
        ("jnp.argsort(~drawn, stable=True)", "jnp.argsort(drawn, stable=True)"),
        ("labels[object_of], background)", "labels[object_of], 0)"),
        ("jnp.clip(jnp.floor(exact), 0, usable - 1)", "jnp.clip(jnp.ceil(exact), 0, usable - 1)"),
        (
            "objects, background = draw(key, matched >= 0",
            "objects, background = draw(jax.random.key(0), matched >= 0",
        ),
    ],
    "faster_rcnn": [
        ("self.draws.learning if learning", "self.draws.testing if learning"),
        ("outputs = self.num_classes + 1", "outputs = self.num_classes"),
        ("if len({len(sizes) for sizes in self.sizes}) > 1:", "if False:"),
    ],
    "density": [
        ('name="deviation")(x)', 'name="deviation")(features["hidden1"])'),
        (
            "return Gaussian(mean, softplus_deviation(z, self.smallest))",
            "return Gaussian(mean, softplus_deviation(z))",
        ),
        (
            "shape = (-1, self.mixture, self.components)",
            "shape = (-1, self.components, self.mixture)",
        ),
        (
            "GaussianMixture(logits, means, softplus_deviation(z, self.smallest))",
            "GaussianMixture(logits, means, softplus_deviation(z))",
        ),
        (
            "train=train)\n        x = x.reshape(x.shape[0], -1)\n        mean",
            "train=False)\n        x = x.reshape(x.shape[0], -1)\n        mean",
        ),
        ("if body.num_classes is not None:", "if False:"),
    ],
}

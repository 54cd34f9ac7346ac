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
}

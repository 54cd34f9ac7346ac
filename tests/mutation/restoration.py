"""What `python -m tests.mutation` breaks in `jaxvision.restoration`: learning and measuring."""

MATERIAL = ["tests/restoration/test_material.py"]
RUNS = ["tests/restoration/test_training.py"]
TESTS = {
    "config": MATERIAL,
    "job": MATERIAL,
    "material": MATERIAL,
    "patches": MATERIAL,
    "problem": MATERIAL,
    "quality": MATERIAL,
    "turning": MATERIAL,
    "residual": RUNS,
    "restorer": RUNS,
    "trained": RUNS,
    "report": RUNS,
}

MUTANTS = {
    "config": [
        ("list(sigma) == sorted(sigma)", "True"),
        ("sum(self.sigma) / len(self.sigma)", "self.sigma[-1]"),
        ("self.noise != kind and", "False and"),
        ("self.patch % self.factor == 0", "True"),
    ],
    "job": [
        ('normalization(batch["target"]))', 'normalization(batch["target"]) / 2)'),
        ("outputs * std + mean", "outputs * std"),
    ],
    "material": [
        ("min(heights), min(widths)", "max(heights), min(widths)"),
    ],
    "patches": [
        ("i * len(self.source) // self._count", "i % len(self.source)"),
        ("default_rng((self.seed, i))", "default_rng(i)"),
        ("random.integers(h - side + 1)", "random.integers(h - side)"),
        ("y * scales[name] :", "y :"),
        ("(have - want) // 2,", "0,"),
    ],
    "problem": [
        ("fold_in(jax.random.key(NOISE_SEED), i)", "fold_in(jax.random.key(NOISE_SEED), 0)"),
        ("sigma=(config.tested_sigma,)", "sigma=config.sigma"),
        ("(len(images),), minval", "(), minval"),
        ("picture[: h // factor * factor, : w // factor * factor]", "picture"),
        ("jnp.round(jnp.clip(small[0], 0, 255))", "jnp.clip(small[0] - 2, 0, 255)"),
    ],
    "quality": [
        ("jnp.round(jnp.clip(images.astype(jnp.float32), 0, PEAK))", "images.astype(jnp.float32)"),
        ("self.shave : h - self.shave", "self.shave : h"),
        ("if self.luminance and c == 3", "if False"),
        ("WINDOW + 2 * self.shave", "WINDOW + self.shave"),
    ],
    "turning": [
        ("jnp.where(coins[2], image.transpose(1, 0, 2), image)", "image"),
        ("coins[1], image", "coins[0], image"),
        ('TURNED = ("image", "target")', 'TURNED = ("image",)'),
    ],
    "residual": [("return enlarged + details", "return enlarged - 2 * details + 0.5")],
    "restorer": [
        ("halo=self.problem.radius", "halo=0"),
        ("np.rint(np.clip(restored, 0, 255))", "np.clip(restored, 0, 255)"),
        ("given[:, :, i : i + 1]", "given[:, :, :1]"),
    ],
    "trained": [("np.array_equal(image, np.roll(image, 1, axis=2))", "False")],
    "report": [
        ("range(len(pictures)):\n        given", "range(len(pictures) - 1):\n        given"),
    ],
}  # fmt: skip

"""What `python -m tests.mutation` breaks in `jaxvision.transfer`."""

PARTITION = ["tests/transfer/test_partition.py"]

TESTS = {
    "partition": PARTITION,
    "head": ["tests/transfer/test_head.py"],
    "rates": ["tests/transfer/test_rates.py"],
    "ridge": ["tests/transfer/test_ridge.py"],
    "features": ["tests/transfer/test_features.py"],
    "few_shot": ["tests/transfer/test_few_shot.py"],
    "few_shot_plot": ["tests/transfer/test_few_shot.py"],
}

MUTANTS = {
    "partition": [
        ("if _layer(name) in layers}", "}"),
        ("not chosen or len(chosen) == len(params)", "not chosen"),
        ("not chosen or len(chosen) == len(params)", "len(chosen) == len(params)"),
        ("bits >> leaves[name] & 1", "bits"),
        ("train=False)[1]", "train=False)[1] | {'': images}"),
        ('or fnmatchcase(n, f"{pattern}/*")', ""),
        ("fnmatchcase(n, pattern) or", ""),
    ],
    "head": [
        (
            'for name, tree in variables["params"].items() if name != head',
            'for name, tree in variables["params"].items()',
        ),
        (
            "    if jax.tree.map(lambda x: x.shape, body)",
            "    if False and jax.tree.map(lambda x: x, body)",
        ),
        ("    if head is None:", "    if False:"),
        ("init(key)[", "init(jax.random.key(9))["),
    ],
    "rates": [
        ("factor**depth * u", "factor * u"),
        ("factor**depth * u", "factor ** (depth + 1) * u"),
        ("state.count >= depth * every", "state.count > depth * every"),
        ("if not below[i - 1] < below[i]", "if not below[i - 1] <= below[i]"),
        ("    if not stages:", "    if False:"),
    ],
    "ridge": [
        ("    if x.shape[0] > x.shape[1]:", "    if True:"),
        ("features - mean[None]", "features"),
        ("targets - target_mean[None]", "targets"),
        ("penalty * unit", "penalty"),
        ("/ jnp.sum(mask)", "/ len(mask)"),
        ("parts.target_mean - parts.mean @ weights", "parts.target_mean"),
        ("sorted(penalties, reverse=True)", "sorted(penalties)"),
        ("accuracies[:, order]", "accuracies"),
        ("jnp.sum(right & real) / jnp.sum(real)", "jnp.mean(right)"),
        ("train != FILLING", "train == train"),
        ("    if not jnp.all(jnp.isfinite(features)):", "    if False:"),
        ("not min(penalties) > 0", "not min(penalties) >= 0"),
    ],
    "features": [
        ("view(normalize(batch", "(normalize(batch"),
        ('view(normalize(batch["image"]))', 'view(batch["image"] * 1.0)'),
        ("min(batch_size, len(source))", "batch_size"),
        ("if x.ndim == 4 else x", "if True else x"),
    ],
    "few_shot": [
        ("[:shots]", "[: shots + 1]"),
        ("(1 + confidence) / 2", "confidence"),
        ("draws - 1,", "draws,"),
        ("ddof=1", "ddof=0"),
        ("/ np.sqrt(draws)", ""),
        ("    if not 1 <= shots <= counts.min():", "    if not 1 <= shots:"),
        ("order = random.permutation(len(labels))", "order = np.arange(len(labels))"),
        (
            "learn(draw_shots(labels, number, seed), seed)",
            "learn(draw_shots(labels, number, 0), seed)",
        ),
        ("        if draws == 1:", "        if False:"),
    ],
    "few_shot_plot": [
        ("100 * curve.mean, 100 * curve.margin()", "100 * curve.mean, curve.margin()"),
        ("1 <= len(curves) <= len(LINES)", "1 <= len(curves)"),
        ("curve.accuracies.shape[1]", "curve.accuracies.shape[0]"),
    ],
}

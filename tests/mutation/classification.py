"""What `python -m tests.mutation` breaks in `jaxvision.classification`."""

PRETRAINING = ["tests/classification/test_pretraining.py"]
TRANSFER = ["tests/classification/test_transfer.py"]
SHELF = ["tests/classification/test_off_the_shelf.py"]

TESTS = {
    "pretraining": PRETRAINING + TRANSFER,
    "beginning": TRANSFER,
    "encoding": TRANSFER,
    "off_the_shelf": SHELF,
}

MUTANTS = {
    "pretraining": [
        ("channels = 3 if known else config.channels or 3", "channels = 3"),
        ("known.preprocessing.crop if known else None", "None"),
        ("not in (TrainConfig.model, model)", "not in (TrainConfig.model, model, config.model)"),
        ("config.channels not in (None, channels)", "False"),
        ("config.image_size or size", "size"),
        ("        image_size=config.image_size,\n", ""),
        ("        in_channels=config.channels or 3,\n", ""),
        ("named.weights,\n", "None,\n"),
    ],
    "beginning": [
        ("    if freeze == BODY:", "    if False:"),
        ("name not in below", "name in below"),
        (
            "depths = unflatten_dict({path: every[path] for path in learning})",
            "depths = unflatten_dict(every)",
        ),
        ("discriminate(depths, rate_decay)", "discriminate(depths, rate_decay**2)"),
        ("    if unfreeze_steps:", "    if False:"),
        ("model.num_classes, image, key)", "model.num_classes, image, jax.random.key(0))"),
    ],
    "encoding": [
        ("config.freeze != BODY", "False"),
        ("if any(getattr(config, name) for name in augmentations)", "if False"),
        ("config.test_flip or config.feed", "config.feed"),
        ('or config.feed == "streaming"', ""),
        ("if layer != dense or", "if"),
        ("cache=cache_folder()", "cache=None"),
        ('{"view": view}', "{}"),
        ("flip=config.flip)", "flip=False)"),
        ("0, views.shape[1])", "0, 1)"),
        ("return views[:, 0]", "return views[:, -1]"),
        ("normalize=normalization", "normalize=jnp.float32"),
    ],
    "off_the_shelf": [
        ("names[-1] if feature is None", "names[0] if feature is None"),
        ("    if unit_length:", "    if False:"),
        ("pool=pool", 'pool="average"'),
        ("normalize=normalization", "normalize=jnp.float32"),
        ('features.of["train"], labels', 'features.of["test"], features.labels["test"]'),
        ("for part in PARTS[1:]", "for part in PARTS[:2]"),
        ("    if file.exists():", "    if False:"),
        ("if normalization is None:", "if False:"),
    ],
}

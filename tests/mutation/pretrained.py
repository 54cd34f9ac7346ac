"""What `python -m tests.mutation` breaks in `jaxvision.pretrained`: names, orders of channels."""

PRETRAINING = ["tests/classification/test_pretraining.py"]

TESTS = {"named": PRETRAINING, "channel_order": PRETRAINING}

MUTANTS = {
    "named": [
        ("return Named(model, rest, None)", "return Named(model, None, None)"),
        ("    if not file.exists():", "    if False:"),
    ],
    "channel_order": [
        ("x[:, :, ::-1] if", "x[:, ::-1] if"),
        ("mean=preprocessing.mean[::-1]", "mean=preprocessing.mean"),
        ('preprocessing.channels == "RGB"', "False"),
    ],
}

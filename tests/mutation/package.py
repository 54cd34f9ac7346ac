"""What `python -m tests.mutation` breaks in the modules that all parts of the package share."""

TESTS = {
    "hyperparameters": [
        "tests/augment/test_arguments.py",
        "tests/optim/test_adaptive.py",
        "tests/optim/test_momentum.py",
        "tests/optim/test_schedules.py",
    ],
    "settings": ["tests/test_settings.py"],
    "setting_types": ["tests/test_settings.py"],
}

MUTANTS = {
    "hyperparameters": [
        ('low <= value if interval[0] == "["', 'low < value if interval[0] == "["'),
        ("low < value\n", "low <= value\n"),
        ('value <= high if interval[-1] == "]"', 'value < high if interval[-1] == "]"'),
        ("value < high\n", "value <= high\n"),
        ("if callable(value) or isinstance(value, jax.core.Tracer):", "if callable(value):"),
        ("if not whole or (not", "if (not"),
        ("jax.core.Tracer) and value < low", "jax.core.Tracer) and value <= low"),
        ('f"; {remedy}."', '"."'),
    ],
    "settings": [
        (
            "            object.__setattr__(sound, name,",
            "            (lambda *_: None)(sound, name,",
        ),
        ("        if not is_a(value, hint):\n", "        if False:\n"),
        ('"; ".join(broken)', "broken[0]"),
        ("values[name] >= low, f", "values[name] > low, f"),
        ("(0 <= getattr(config, name) < end,", "(0 < getattr(config, name) < end,"),
        ("(0 <= getattr(config, name) < end,", "(0 <= getattr(config, name) <= end,"),
        ("(0 < getattr(config, name) < math.inf,", "(0 < getattr(config, name),"),
    ],
    "setting_types": [
        ("and type(value) is type(option)", ""),
        ("        return hint is bool\n", "        return hint in (bool, int)\n"),
        ("isinstance(value, float | int) and not _overflows(value)", "isinstance(value, float)"),
        (
            "isinstance(value, float | int) and not _overflows(value)",
            "isinstance(value, float | int)",
        ),
        ("isinstance(value, tuple) and all(", "all("),
        ('if word == "None":', "if True:"),
        ("if Path in (hint, *options) and isinstance(value, str):", "if False:"),
        ("type(value) is int and not _overflows(value):", "type(value) is int:"),
    ],
}

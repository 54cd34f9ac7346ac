"""What `python -m tests.mutation` breaks in the modules that all parts of the package share."""

TESTS = {
    "hyperparameters": [
        "tests/augment/test_arguments.py",
        "tests/optim/test_adaptive.py",
        "tests/optim/test_momentum.py",
        "tests/optim/test_schedules.py",
    ],
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
}

"""What `python -m tests.mutation` breaks in `jaxvision.runs`: where predictions go."""

TESTS = {"predictions": ["tests/runs/test_predictions.py"]}

MUTANTS = {
    "predictions": [
        ("if not any(file.exists() for file in files):", "if True:"),
        ("if not any(", "if not all("),
        ("folder.exists() and not folder.is_dir()", "False"),
        ("parents=True, exist_ok=True", "exist_ok=True"),
    ],
}

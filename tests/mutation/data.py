"""What `python -m tests.mutation` breaks in `jaxvision.data`: the order, and where batches lie."""

TESTS = {
    "order": ["tests/data/test_batches.py"],
    "placement": ["tests/train/test_mesh.py", "tests/faults/test_two_processes.py"],
    "streaming": ["tests/data/test_streaming.py", "tests/data/test_batches.py"],
    "batches": ["tests/data/test_batches.py", "tests/train/test_epoch.py"],
}

MUTANTS = {
    "order": [
        ("default_rng((seed, epoch))", "default_rng(seed)"),
        ("np.arange(steps * batch_size) < examples", "np.arange(steps * batch_size) <= examples"),
        ("-(-examples // batch_size)", "examples // batch_size"),
    ],
    "placement": [
        ("PartitionSpec(None, mesh.axis_names)", "PartitionSpec()"),
        ("lambda index: array[index])", "lambda index: array[::-1][index])"),
    ],
    "streaming": [
        ("self._next != wanted", "False"),
        ("divmod(batch, self.steps)", "(0, batch % self.steps)"),
        (
            "            batches = examples.batch(own).to_iter_dataset(read_ahead)\n",
            "            batches = examples.to_iter_dataset(read_ahead).batch(own)\n",
        ),
        ("while os.getppid() == self.trainer:", "while True:"),
        ("np.full_like(rows, epoch)", "np.zeros_like(rows)"),
        ("range(step, step + 1)", "range(1)"),
    ],
    "batches": [
        ("np.full_like(rows, epoch)", "np.zeros_like(rows)"),
        ("range(first, self.steps))", "range(self.steps))"),
        ("rows[step][mask[step]]", "rows[step]"),
    ],
}

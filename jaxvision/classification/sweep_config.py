"""What can be set for a sweep; plain data, so that `--help` never waits for JAX."""

import dataclasses


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sweep:
    """Which settings to try, and how they are compared."""

    grid: tuple[str, ...] = ()
    """Try all combinations: --grid learning_rate=1e-3,1e-2 weight_decay=0,1e-4 model=mlp,lenet5."""
    draw: tuple[str, ...] = ()
    """Try random ones: --draw learning_rate=log:1e-4:1e-1 label_smoothing=0:0.2 flip=true,false."""
    candidates: int = 20
    """How many random ones."""
    folds: int = 5
    """Cross-validate on so many parts of the training and validation images; 1: on the latter."""
    repeats: int = 0
    """Compare on so many random divisions instead, of --validation-fraction each."""
    seeds: int = 1
    """Train each candidate with so many seeds, from --seed on."""
    halving: int = 0
    """After so many epochs the better half goes on, after twice as many its half; 0: all do."""
    simpler: str | None = None
    """Take the simplest that is within one standard error of the best: the largest of this setting,
    or with a minus before it the smallest: --simpler weight_decay."""
    chunk: int | None = None
    """So many trainings at most in one program. By default as memory and the device allow."""
    test: bool = True
    """Train what was chosen on all images but the test's, and test it, once."""

    def check(self) -> None:
        """Raises ValueError with every value that cannot be, all in one line."""
        rules = {"candidates": 1, "folds": 1, "repeats": 0, "seeds": 1, "halving": 0}
        broken = [
            f"`{name}` must be at least {low}, got {getattr(self, name)}"
            for name, low in rules.items()
            if getattr(self, name) < low
        ]
        if self.chunk is not None and self.chunk < 1:
            broken.append(f"`chunk` must be at least 1, got {self.chunk}")
        if self.simpler is not None and self.seeds * (self.repeats or self.folds) < 2:
            broken.append(
                "`simpler` needs a standard error, of two trainings a candidate at least: take "
                "more `folds` or `seeds`"
            )
        if bool(self.grid) == bool(self.draw):
            broken.append(
                "one of `grid` and `draw` must name what to try: "
                "--grid learning_rate=1e-4,1e-3,1e-2"
            )
        if broken:
            raise ValueError("; ".join(broken))

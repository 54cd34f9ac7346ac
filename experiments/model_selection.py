"""Which learning rate does LeNet-5 want on the digits, and how sure can one be?

    python -m experiments.model_selection
    python -m experiments.model_selection --model mlp --folds 10 --seeds 1

The course's procedure: five rates, each trained with four seeds on each of five folds, which are a
hundred trainings of one compiled program; then the best rate is taken, trained with once more on
all images but the test's, and tested. It writes a heat map, the learning curves with their bands,
tables of everything, and the chosen model into a new directory.

Seen (jax 0.10.2, 2 CPU cores, n = 20 trainings a rate): 98.82 % in validation at 6e-3, standard
error 0.16, and 98.49 % at 2e-3, standard error 0.19; at 2e-2 44.88 %, for some trainings learn and
some do not. Tested once: 99.72 % of 359 images. The hundred trainings, the last one and the
pictures took 92 s, compiling included.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

from experiments.command import run_experiment
from jaxvision.classification.config import TrainConfig
from jaxvision.classification.sweep import run_sweep
from jaxvision.classification.sweep_config import Sweep


@dataclasses.dataclass(frozen=True)
class Config:
    """What to compare, and how.

    Attributes:
        model: the network.
        grid: axes and their values, as for `jaxvision sweep`.
        folds: of the cross-validation.
        seeds: of each candidate on each fold.
        epochs: of each training, at most.
        out: the new directory; by default one under runs/.
    """

    model: str = "lenet5"
    grid: tuple[str, ...] = ("learning_rate=2e-4,6e-4,2e-3,6e-3,2e-2",)
    folds: int = 5
    seeds: int = 4
    epochs: int = 10
    out: Path | None = None


SMOKE = Config(
    model="mlp", grid=("learning_rate=1e-3,1e-2",), folds=2, seeds=1, epochs=2
)  # what tests/test_experiments.py runs


def run(config: Config) -> dict[str, Any]:
    """Sweeps, chooses and tests; returns what `result.json` holds."""
    path = run_sweep(
        TrainConfig(model=config.model, epochs=config.epochs, out=config.out),
        Sweep(grid=config.grid, folds=config.folds, seeds=config.seeds),
    )
    return json.loads((path / "result.json").read_text())


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)

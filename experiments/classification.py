"""How well do the classical networks classify digits and clothes?

    python -m experiments.classification
    python -m experiments.classification --data tfds:fashion_mnist --epochs 10 --seed 1

The main job as a script: a `Config` in, a result out, and everything kept in a run's directory.
`RESULTS.md` beside this file has what came out.
"""

import json
from typing import Any

from experiments.command import run_experiment
from jaxvision.classification.config import TrainConfig as Config
from jaxvision.classification.training import train

SMOKE = Config(model="mlp", epochs=1)  # what tests/test_experiments.py runs


def run(config: Config) -> dict[str, Any]:
    """Trains and tests; returns what `result.json` holds."""
    return json.loads((train(config) / "result.json").read_text())


if __name__ == "__main__":
    run_experiment(run, Config, __doc__)

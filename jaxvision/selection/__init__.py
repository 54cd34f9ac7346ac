"""Model selection: sweeps of hyperparameters, seeds and folds, trained at once and compared.

candidates -> plan -> sweep -> scores -> choose -> train again -> test once
"""

from jaxvision.selection.diagnosis import Diagnosis, diagnose
from jaxvision.selection.halving import Halving
from jaxvision.selection.hyperparameters import Hyperparameters
from jaxvision.selection.keeping import Keeper
from jaxvision.selection.plan import Plan
from jaxvision.selection.procedure import Selection, retrain, select_model
from jaxvision.selection.results import Lane, LaneResult, SweepResult
from jaxvision.selection.scores import best_candidate, candidate_scores, simplest_candidate
from jaxvision.selection.spaces import Choice, Log, Uniform, draw, grid
from jaxvision.selection.sweep import sweep, sweep_lanes

__all__ = [
    "Choice",
    "Diagnosis",
    "Halving",
    "Hyperparameters",
    "Keeper",
    "Lane",
    "LaneResult",
    "Log",
    "Plan",
    "Selection",
    "SweepResult",
    "Uniform",
    "best_candidate",
    "candidate_scores",
    "diagnose",
    "draw",
    "grid",
    "retrain",
    "select_model",
    "simplest_candidate",
    "sweep",
    "sweep_lanes",
]

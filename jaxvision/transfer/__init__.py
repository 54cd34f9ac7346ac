"""What a network has learned, for another task: freeze a part of it, or use its features."""

from jaxvision.transfer.affinity import (
    Affinity,
    NegativeTransfer,
    ordinal_affinity,
    task_affinity,
    task_tree,
)
from jaxvision.transfer.affinity_plot import plot_affinity
from jaxvision.transfer.feature_cache import cache_folder
from jaxvision.transfer.features import POOLS, extract_features, to_unit_length
from jaxvision.transfer.few_shot import FewShot, draw_shots, few_shot_curve
from jaxvision.transfer.few_shot_plot import plot_few_shot
from jaxvision.transfer.head import replace_head
from jaxvision.transfer.partition import Parts, combine, parameters_below, partition
from jaxvision.transfer.rates import depths_of, discriminate, unfreeze_gradually
from jaxvision.transfer.ridge import Ridge, RidgeSearch, fit_ridge, search_ridge

__all__ = [
    "POOLS",
    "Affinity",
    "FewShot",
    "NegativeTransfer",
    "Parts",
    "Ridge",
    "RidgeSearch",
    "cache_folder",
    "combine",
    "depths_of",
    "discriminate",
    "draw_shots",
    "extract_features",
    "few_shot_curve",
    "fit_ridge",
    "ordinal_affinity",
    "parameters_below",
    "partition",
    "plot_affinity",
    "plot_few_shot",
    "replace_head",
    "search_ridge",
    "task_affinity",
    "task_tree",
    "to_unit_length",
    "unfreeze_gradually",
]

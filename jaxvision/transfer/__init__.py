"""What a network has learned, for another task: freeze a part of it, or use its features."""

from jaxvision.transfer.features import POOLS, extract_features
from jaxvision.transfer.partition import Parts, combine, parameters_below, partition
from jaxvision.transfer.ridge import Ridge, RidgeSearch, search_ridge

__all__ = [
    "POOLS",
    "Parts",
    "Ridge",
    "RidgeSearch",
    "combine",
    "extract_features",
    "parameters_below",
    "partition",
    "search_ridge",
]

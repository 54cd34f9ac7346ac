"""Which pretrained weights a short text names.

vgg16                      the weights that are known for VGG-16, the preferred
resnet50:torchvision_v2    others that are known
resnet18:mine.safetensors  a file
resnet50_v1:keras:FILE     known weights that no address is known for, where they are
"""

from pathlib import Path
from typing import NamedTuple

from jaxvision.models import MODELS
from jaxvision.names import lookup
from jaxvision.pretrained.known import KNOWN, known_for


class Named(NamedTuple):
    """What `pretrained` says, taken apart."""

    model: str
    weights: str | None
    file: Path | None


def parse_named(pretrained: str) -> Named:
    """Takes apart MODEL, MODEL:WEIGHTS, MODEL:FILE or MODEL:WEIGHTS:FILE.

    Raises:
        ValueError: if there is no such network, or no such weights of it.
        FileNotFoundError: if there is no such file.
    """
    model, _, rest = pretrained.partition(":")
    if model not in MODELS:
        if Path(pretrained).exists() or "/" in pretrained:
            raise ValueError(
                f"`pretrained` must be a run, or a network and its weights, got {pretrained}, "
                "which is no run: it has no config.json. For a file of weights, write MODEL:FILE"
            )
        lookup("pretrained", model, dict.fromkeys(known.model for known in KNOWN))
    if not rest:
        known = known_for(model)
        if not known:
            lookup("pretrained", model, dict.fromkeys(known.model for known in KNOWN))
        return Named(model, next(iter(known)), None)
    weights, _, file = rest.partition(":")
    if file and weights in known_for(model):
        return Named(model, weights, _there(Path(file)))
    if rest in known_for(model):
        return Named(model, rest, None)
    if Path(rest).exists() or "/" in rest or "." in rest:
        return Named(model, None, _there(Path(rest)))
    return Named(model, lookup("weights", rest, known_for(model)).weights, None)


def _there(file: Path) -> Path:
    if not file.exists():
        raise FileNotFoundError(f"{file} does not exist: `pretrained` names it for its weights")
    return file

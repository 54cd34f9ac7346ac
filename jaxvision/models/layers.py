"""What every model shares: the type of its features, and the rule for its number of classes."""

from jaxtyping import Array, Float

Features = dict[str, Float[Array, "b ..."]]
"""A network's intermediate outputs by name; what nobody asks for, XLA never computes."""


def check_num_classes(num_classes: int | None) -> None:
    """Refuses a head without outputs, which other libraries take to mean no head.

    Raises:
        ValueError: if there is a number of classes and it is below 1.
    """
    if num_classes is not None and num_classes < 1:
        raise ValueError(
            f"`num_classes` must be at least 1, got {num_classes}: pass None for no head."
        )

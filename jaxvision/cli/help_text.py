"""The help of each option as one paragraph, however many lines its docstring has.

tyro keeps a line break before a line that is indented, as those of an attribute's docstring are; a
field's own "help" it takes as it is.
"""

import dataclasses
from types import MappingProxyType

import docstring_parser


def join_lines(config: type) -> None:
    """Gives every field of a dataclass that has a docstring its text as "help"."""
    texts = {
        attribute.arg_name: attribute.description or ""
        for base in reversed(config.__mro__)
        if dataclasses.is_dataclass(base)
        for attribute in docstring_parser.parse_from_object(base).params
    }
    for field in dataclasses.fields(config):
        if text := texts.get(field.name):
            field.metadata = MappingProxyType({**field.metadata, "help": " ".join(text.split())})

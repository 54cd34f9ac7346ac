"""How much memory a program's intermediate arrays take, if it runs as it is written."""

from collections.abc import Iterable

from jaxvision.inspect.field_rules import ELEMENTWISE
from jaxvision.inspect.program import Program

IN_PLACE = ELEMENTWISE | {"reshape", "squeeze"}


def count_bytes(program: Program, array: int) -> int:
    """Bytes of one array."""
    return program.arrays[array].size * program.arrays[array].dtype.itemsize


def peak_bytes(program: Program, counted: Iterable[int], wanted: Iterable[int]) -> int:
    """The most bytes of intermediate arrays that exist at once while `wanted` are computed.

    Operations that nothing wanted depends on do not run. Each array lives from the operation that
    writes it to the last one that reads it, and one that is wanted to the end. An elementwise
    operation writes over an input that ends there. XLA fuses operations and orders them anew, so a
    compiled program may need less.

    Args:
        program: the operations.
        counted: the arrays that count: not parameters and what is made of them alone.
        wanted: the results.
    """
    counted, wanted = set(counted), set(wanted)
    last_reader: dict[int, int] = dict.fromkeys(wanted, len(program.operations))
    running = []
    for place in reversed(range(len(program.operations))):
        operation = program.operations[place]
        if any(array in last_reader for array in operation.outputs):
            running.append(place)
            for array in operation.inputs:
                last_reader.setdefault(array, place)

    alive = peak = 0
    for place in reversed(running):
        operation = program.operations[place]
        written = [count_bytes(program, array) for array in operation.outputs if array in counted]
        ending = [
            count_bytes(program, array)
            for array in set(operation.inputs) & counted
            if last_reader[array] == place
        ]
        over = operation.name in IN_PLACE and written and written[0] in ending
        alive += sum(written)
        peak = max(peak, alive - (written[0] if over else 0))
        alive -= sum(ending)
    return peak

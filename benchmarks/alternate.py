"""Times several ways of doing one thing, turn by turn: noise then disturbs all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from random import Random


def alternate(ways: Mapping[str, Callable[[], None]], rounds: int) -> dict[str, float]:
    """Runs each way once to warm up, then `rounds` times in turn; returns the median seconds.

    Each way must wait for its own results. The order is another in every round, because each way
    leaves something to the next: a full cache, threads that are still spinning.
    """
    seconds, order, random = {name: [] for name in ways}, list(ways), Random(0)
    for turn in range(rounds + 1):
        random.shuffle(order)
        for name in order:
            way = ways[name]
            began = time.perf_counter()
            way()
            if turn > 0:
                seconds[name].append(time.perf_counter() - began)
    return {name: statistics.median(times) for name, times in seconds.items()}


def print_table(title: str, seconds: Mapping[str, float], work: float, unit: str) -> None:
    """Prints a Markdown table: the median, how much work a second, and the ratio to the first."""
    first = next(iter(seconds.values()))
    print(f"\n{title}\n\n| | ms | {unit}/s | speed |\n| --- | ---: | ---: | ---: |")
    for name, value in seconds.items():
        print(f"| {name} | {1e3 * value:.1f} | {work / value:,.0f} | {first / value:.2f}x |")

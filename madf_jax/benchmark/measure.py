"""Timing: medians of repeated runs after a warm-up, of several things in turn."""

import statistics
import time
from collections.abc import Callable, Mapping

import jax

Run = Callable[[], object]


def alternate(runs: Mapping[str, Run], repeats: int) -> dict[str, float]:
    """Median seconds of each, run in turn so that all see the same changes of the machine.

    Args:
        runs: by name; what a run returns is waited for.
        repeats: counted runs of each, after one that is not.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for counted in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            if counted:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}

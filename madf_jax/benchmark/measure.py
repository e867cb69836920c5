"""Measurements, and timing: medians of repeated runs that alternate, after a warm-up."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import jax

Run = Callable[[], object]

_SETTLED_RUNS = (3, 30)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """One thing measured.

    Attributes:
        what: its name.
        size: side of the square images, pixels.
        batch: images at a time.
        dtype: of computation.
        seconds: median of a run.
        reference_seconds: the same of what it is compared with, in the same run.
        ratio: `reference_seconds` over `seconds`.
        gflops: rate, 10^9 floating-point operations per second, counted as in `Costs.flop`.
        share_of_peak: that rate over the machine's rate for a large matmul.
        temp_bytes: temporaries of the program, counted by the compiler.
        compile_seconds: to trace and compile it.
        peak_bytes: peak memory of a process that does only this.
        reference_peak_bytes: the same of what it is compared with.
    """

    what: str
    size: int
    batch: int
    dtype: str
    seconds: float
    reference_seconds: float | None = None
    ratio: float | None = None
    gflops: float | None = None
    share_of_peak: float | None = None
    temp_bytes: int | None = None
    compile_seconds: float | None = None
    peak_bytes: int | None = None
    reference_peak_bytes: int | None = None


def slope(measurements: Sequence[Measurement]) -> float | None:
    """The power of the number of pixels with which time grows: a least-squares fit of logarithms.

    Args:
        measurements: of one thing at several sizes.

    Returns:
        1.0 for time proportional to pixels; None for fewer than three sizes.
    """
    points = [(math.log(one.size**2), math.log(one.seconds)) for one in measurements]
    if len({x for x, _ in points}) < 3:
        return None
    return statistics.linear_regression(*zip(*points, strict=True)).slope


def alternate(runs: Mapping[str, Run], repeats: int) -> dict[str, float]:
    """Median seconds of each, run in turn so that all see the same load of the machine.

    Args:
        runs: by name; each run is timed until its result is ready.
        repeats: timed runs of each, after one that is not.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for counted in range(repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            jax.block_until_ready(run())
            if counted:
                seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def settled_seconds(run: Run, budget: float = 2.0) -> float:
    """Median seconds of a run alone, over as many runs as fit into `budget` seconds, 3 to 30."""
    (first,) = alternate({"": run}, 1).values()
    fewest, most = _SETTLED_RUNS
    repeats = min(most, max(fewest, int(budget / first)))
    return alternate({"": run}, repeats)[""]

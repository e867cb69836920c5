"""What a benchmark gives: a row for each thing measured."""

import dataclasses
import math
import statistics
from collections.abc import Sequence


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing measured.

    Attributes:
        what: its name.
        size: side of the square images, pixels.
        batch: images at a time.
        dtype: of computation.
        seconds: median of a run.
        reference_seconds: the same of what it is compared with, in the same run.
        ratio: `reference_seconds` over `seconds`.
        gflops: rate, 10^9 floating-point operations a second, counted as `Program.flop`.
        share_of_peak: that rate over the machine's rate for a large product of matrices.
        temp_bytes: temporaries of the program, counted by the compiler.
        compile_seconds: to trace and compile it.
        peak_bytes: most memory of a process that does only this.
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


def slope(rows: Sequence[Row]) -> float | None:
    """By which power of the number of pixels time grows: least squares on logarithmic axes.

    Args:
        rows: of one thing.

    Returns:
        1.0 for time proportional to pixels; None for fewer than three sizes.
    """
    points = [(math.log(row.size**2), math.log(row.seconds)) for row in rows]
    if len({x for x, _ in points}) < 3:
        return None
    return statistics.linear_regression(*zip(*points, strict=True)).slope

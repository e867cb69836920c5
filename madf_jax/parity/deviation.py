"""How far computed numbers are from recorded ones, and the table of these deviations."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


@dataclasses.dataclass(frozen=True)
class Deviation:
    """How far one thing is from what was recorded.

    Attributes:
        group: its kind, such as 'gradient'.
        name: its name within the group.
        error: relative; None if it was not compared, for the reason in `note`.
        tolerance: the largest error that passes.
        reference_error: the error of the PyTorch reference's own float32, where known.
        note: why it was not compared.
    """

    group: str
    name: str
    error: float | None
    tolerance: float
    reference_error: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; not-a-number is not."""
        return self.error is None or self.error <= self.tolerance

    @property
    def verdict(self) -> str:
        """'ok', 'FAIL', or the note if it was not compared."""
        if self.error is None:
            return self.note
        return "ok" if self.passed else "FAIL"


def relative_error(ours: ArrayLike, recorded: ArrayLike, scale: float | None = None) -> float:
    """The 2-norm of the difference over that of `recorded`, or over `scale` if that is larger.

    Where both are 0 it is the norm of the difference itself.
    """
    recorded = np.asarray(recorded, np.float64).ravel()
    difference = np.linalg.norm(np.asarray(ours, np.float64).ravel() - recorded)
    return float(difference / (max(float(np.linalg.norm(recorded)), scale or 0.0) or 1.0))


def worst(deviations: Sequence[Deviation]) -> dict[str, Deviation]:
    """The largest deviation of each group, in order; not-a-number is the largest."""
    found: dict[str, Deviation] = {}
    for deviation in deviations:
        if deviation.error is None:
            continue
        group = deviation.group
        if group not in found or _size(deviation) > _size(found[group]):
            found[group] = deviation
    return found


def _size(deviation: Deviation) -> float:
    error = deviation.error
    return math.inf if error is None or math.isnan(error) else error


def format_deviations(deviations: Sequence[Deviation]) -> str:
    """A line for each deviation, one for the worst of each group, and a summary."""
    wide = max(len(one.name) for one in deviations)
    return "\n".join(
        [
            f"{'':<22} {'':<{wide}} {'error':>9} {'tolerance':>9} {'reference':>9}",
            *(
                f"{one.group:<22} {one.name:<{wide}} {_number(one.error)} {one.tolerance:9.1e} "
                f"{_number(one.reference_error)} {one.verdict}"
                for one in deviations
            ),
            "",
            *(
                f"worst {group}: {one.error:.1e} ({one.name})"
                for group, one in worst(deviations).items()
            ),
            summarize(deviations),
        ]
    )


def summarize(deviations: Sequence[Deviation]) -> str:
    """One line: how many were compared, left out and failed."""
    failed = [one for one in deviations if not one.passed]
    left_out = sum(one.error is None for one in deviations)
    text = f"{len(deviations) - left_out} compared, {left_out} left out, "
    if not failed:
        return text + "all within tolerance"
    return text + f"{len(failed)} FAILED, first {failed[0].group} {failed[0].name}"


def _number(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:9.1e}"

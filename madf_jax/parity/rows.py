"""The rows of a comparison, and how far apart numbers are."""

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


@dataclasses.dataclass(frozen=True)
class Row:
    """One thing that was compared.

    Attributes:
        group: what kind of thing.
        name: which one.
        error: relative; None if nothing was compared, for the reason in `note`.
        tolerance: the largest error that passes.
        reference_error: the error of the PyTorch reference's own float32, where known.
        note: anything to know about it.
    """

    group: str
    name: str
    error: float | None
    tolerance: float
    reference_error: float | None = None
    note: str = ""

    @property
    def passed(self) -> bool:
        """Whether it is within the tolerance; not-a-number is not."""
        return self.error is None or self.error <= self.tolerance

    @property
    def verdict(self) -> str:
        """For people."""
        if self.error is None:
            return self.note
        return "ok" if self.passed else "FAIL"


def relative(ours: ArrayLike, recorded: ArrayLike, scale: float | None = None) -> float:
    """The 2-norm of the difference over that of `recorded`, or over `scale` if that is larger.

    Where both are 0 the error is the norm of the difference itself.
    """
    recorded = np.asarray(recorded, np.float64).ravel()
    difference = np.linalg.norm(np.asarray(ours, np.float64).ravel() - recorded)
    return float(difference / (max(float(np.linalg.norm(recorded)), scale or 0.0) or 1.0))


def worst(rows: Sequence[Row]) -> dict[str, Row]:
    """Of each group, in order, the row with the largest error among those compared."""
    found: dict[str, Row] = {}
    for row in rows:
        if row.error is None:
            continue
        if row.group not in found or _size(row) > _size(found[row.group]):
            found[row.group] = row
    return found


def _size(row: Row) -> float:
    return math.inf if row.error is None or math.isnan(row.error) else row.error


def format_rows(rows: Sequence[Row]) -> str:
    """A line for each row, then one for each group's worst, then the verdict."""
    wide = max(len(row.name) for row in rows)
    lines = [f"{'':<22} {'':<{wide}} {'error':>9} {'tolerance':>9} {'reference':>9}"]
    lines += [
        f"{row.group:<22} {row.name:<{wide}} {_number(row.error)} {row.tolerance:9.1e} "
        f"{_number(row.reference_error)} {row.verdict}"
        for row in rows
    ]
    lines += [
        "",
        *(f"worst {group}: {row.error:.1e} ({row.name})" for group, row in worst(rows).items()),
    ]
    return "\n".join([*lines, summarize(rows)])


def summarize(rows: Sequence[Row]) -> str:
    """One line: how many were compared, failed and left out."""
    failed = [row for row in rows if not row.passed]
    left_out = sum(row.error is None for row in rows)
    text = f"{len(rows) - left_out} compared, {left_out} left out, "
    if not failed:
        return text + "all within tolerance"
    return text + f"{len(failed)} FAILED, first {failed[0].group} {failed[0].name}"


def _number(value: float | None) -> str:
    return f"{'-':>9}" if value is None else f"{value:9.1e}"

"""The numbers of a report as every table of it shows them.

A report is what `evaluation.json` holds; a group is one of its `statistics`, overall or a bucket.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

from madf_jax.evaluation.statistics import OVERALL

NOTHING = "–"
"""What stands in place of a number that does not exist."""

_DIGITS = 4
_MOST_DECIMALS = 6


def title_of(group: str) -> str:
    """What tables call a group: `all images`, or its share of the hole in percent."""
    if group == OVERALL:
        return "all images"
    low, high = (round(100 * float(end)) for end in group.split("-"))
    return f"{low}–{high} %"


def block_title(group: str, count: int) -> str:
    """What heads the rows of a group: `all 48 images`, `hole 1–10 %, 3 images`."""
    if group == OVERALL:
        return f"all {count_title(count)}"
    return f"hole {title_of(group)}, {count_title(count)}"


def count_title(count: int) -> str:
    """`1 image`, `2 images`."""
    return f"{count} image{'' if count == 1 else 's'}"


def heading_of(report: Mapping[str, Any], metric: str) -> str:
    """A metric's name and unit, with an arrow to where better values are."""
    return f"{report['metrics'][metric]} {'↑' if report['higher_is_better'][metric] else '↓'}"


def values_of(group: Mapping[str, Any], metric: str) -> dict[str, float]:
    """The value of a metric by method: a mean over images, or that of the set; NaN for neither."""
    return {
        method: metrics[metric]["mean"]
        if metric in metrics
        else group["sets"].get(method, {}).get(metric, math.nan)
        for method, metrics in group["methods"].items()
    }


def best_of(report: Mapping[str, Any], group: Mapping[str, Any], metric: str) -> set[str]:
    """The methods with the best value, none where only one has been compared."""
    values = {m: value for m, value in values_of(group, metric).items() if math.isfinite(value)}
    if len(values) < 2:
        return set()
    best = (max if report["higher_is_better"][metric] else min)(values.values())
    return {method for method, value in values.items() if value == best}


def decimals_for(values: Iterable[float]) -> int:
    """Decimals that show four digits of the largest value, so that a column lines up."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if not largest:
        return 0
    return min(max(_DIGITS - 1 - math.floor(math.log10(largest)), 0), _MOST_DECIMALS)


def decimals_of(report: Mapping[str, Any], metric: str) -> int:
    """Decimals of a metric, the same in all groups and tables of a report."""
    groups = report["statistics"].values()
    return decimals_for(value for group in groups for value in values_of(group, metric).values())


def format_number(value: float, decimals: int) -> str:
    """A number as tables show it; `NOTHING` if it is not finite."""
    return f"{value:.{decimals}f}" if math.isfinite(value) else NOTHING

"""Scores of images by the share of the hole: means, how certain they are, and who is ahead."""

from collections.abc import Mapping, Sequence
from typing import Any

from madf_jax.evaluation.scored import Scored
from madf_jax.metrics.uncertainty import compare, estimate

OVERALL = "overall"
BUCKETS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6))
"""Shares of the hole, the first excluded and the last included: those of NVIDIA's masks."""


def bucket_of(share: float) -> str | None:
    """The name of the bucket of a share; None outside of all."""
    for low, high in BUCKETS:
        if low < share <= high:
            return f"{low:g}-{high:g}"
    return None


def group_by_share(shares: Sequence[float]) -> dict[str, list[int]]:
    """Places of the examples overall and in each bucket that has any, in the order of buckets."""
    names = [bucket_of(share) for share in shares]
    groups = {OVERALL: list(range(len(shares)))}
    for low, high in BUCKETS:
        name = f"{low:g}-{high:g}"
        if places := [place for place, found in enumerate(names) if found == name]:
            groups[name] = places
    return groups


def summarize_group(
    examples: Sequence[Scored], higher_is_better: Mapping[str, bool]
) -> dict[str, Any]:
    """Statistics of some examples.

    Args:
        examples: at least one, all of the same methods.
        higher_is_better: by metric.

    Returns:
        `count`; `methods`: an `Estimate` as a dict by method and metric; `comparisons`: of the
        first method with each other one, a `Comparison` as a dict by metric.
    """
    first, *others = methods = list(examples[0].scores)

    def column(method: str, metric: str) -> list[float]:
        return [example.scores[method][metric] for example in examples]

    def compared(other: str, metric: str) -> dict[str, float]:
        pair = column(first, metric), column(other, metric)
        return compare(*pair, higher_is_better=higher_is_better[metric])._asdict()

    return {
        "count": len(examples),
        "methods": {
            method: {
                metric: estimate(column(method, metric))._asdict() for metric in higher_is_better
            }
            for method in methods
        },
        "comparisons": {
            other: {metric: compared(other, metric) for metric in higher_is_better}
            for other in others
        },
    }

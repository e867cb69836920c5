"""Which examples a report shows: the best, the median and the worst."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from madf_jax.evaluation.evaluator import Evaluator, Example
from madf_jax.evaluation.scored import Scored
from madf_jax.inference.inpaint import Method
from madf_jax.metrics.metric import Metric

SHOWN = 3
"""Examples of each kind, where there are enough."""


class Shown(NamedTuple):
    """An example that a report shows.

    Attributes:
        example: painted by one method, not scored.
        scored: its scores.
    """

    example: Example
    scored: Scored


def show_examples(
    evaluator: Evaluator,
    method: tuple[str, Method],
    scored: Sequence[Scored],
    metric: tuple[str, Metric],
) -> dict[str, list[Shown]]:
    """Paints the best, the median and the worst examples of a method again.

    Kept from the evaluation they would be all of its images: which one is the median is known at
    the end.

    Args:
        evaluator: of the examples.
        method: its name and itself.
        scored: all of the examples, in order.
        metric: that they are ranked by, and its name.

    Returns:
        By kind, as `choose_examples` has them.
    """
    name, kind = metric
    values = [example.scores[method[0]][name] for example in scored]
    chosen = choose_examples(values, higher_is_better=kind.higher_is_better)
    return {
        title: [
            Shown(example, scored[place])
            for place, example in zip(places, evaluator.pick(places, dict([method])), strict=True)
        ]
        for title, places in chosen.items()
    }


def choose_examples(values: Sequence[float], *, higher_is_better: bool) -> dict[str, list[int]]:
    """Places of examples that show what a method can do and where it fails.

    Args:
        values: a metric of the method for each example; NaN where it has none.
        higher_is_better: whether a larger value is the better one.

    Returns:
        By `best`, `median` and `worst`: at most `SHOWN` places each, the better ones first; no
        place twice, and no kind that is empty.
    """
    sign = -1 if higher_is_better else 1
    # Ties keep the order of the examples, so that the same ones are shown again.
    ranked = sorted(
        (place for place, value in enumerate(values) if not math.isnan(value)),
        key=lambda place: sign * values[place],
    )
    shown = max(1, min(SHOWN, len(ranked) // 3))
    middle = (len(ranked) - shown) // 2
    chosen = {
        "best": ranked[:shown],
        "median": ranked[middle : middle + shown] if len(ranked) > 2 else [],
        "worst": ranked[-shown:] if len(ranked) > 1 else [],
    }
    return {kind: places for kind, places in chosen.items() if places}

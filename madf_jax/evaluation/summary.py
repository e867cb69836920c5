"""Means of scores by method and metric."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from typing import Any

from madf_jax.evaluation.scored import Scored
from madf_jax.metrics.mean import Mean

Scores = Mapping[str, Mapping[str, float]]
"""Of one example, by method and metric."""


@dataclasses.dataclass(frozen=True)
class Summary:
    """The means over the examples seen so far; summaries of parts merge to that of the whole.

    Attributes:
        means: by method and metric.
        count: examples.
    """

    means: Mapping[str, Mapping[str, Mean]] = dataclasses.field(default_factory=dict)
    count: int = 0

    def update(self, scores: Scores) -> "Summary":
        """The summary with one more example."""
        example = {
            method: {metric: Mean().update([value]) for metric, value in values.items()}
            for method, values in scores.items()
        }
        return self.merge(Summary(example, 1))

    def merge(self, other: "Summary") -> "Summary":
        """The summary of the examples of both, which are of the same methods and metrics."""
        if not self.count or not other.count:
            return self if self.count else other
        means = {
            method: {name: mean.merge(other.means[method][name]) for name, mean in values.items()}
            for method, values in self.means.items()
        }
        return Summary(means, self.count + other.count)

    def compute(self) -> dict[str, Any]:
        """What `evaluation.json` holds of it.

        Returns:
            `methods` (means by method and metric; NaN where no value is finite), `count`, and
            `identical`: by method, examples that equal the original. Their PSNR is infinite and
            not in the mean; without a PSNR they are not counted.
        """
        return {
            "methods": {
                method: {metric: mean.compute() for metric, mean in values.items()}
                for method, values in self.means.items()
            },
            "count": self.count,
            "identical": {
                method: max((mean.infinite for mean in values.values()), default=0)
                for method, values in self.means.items()
            },
        }


def summarize(examples: Iterable[Scored]) -> Summary:
    """The summary of examples, taken in their order."""
    return functools.reduce(Summary.update, (scored.scores for scored in examples), Summary())

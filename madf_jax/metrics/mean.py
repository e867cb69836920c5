"""The state of a metric that is averaged over images."""

import dataclasses
import math
from collections.abc import Iterable
from fractions import Fraction


@dataclasses.dataclass(frozen=True)
class Mean:
    """Sum and count of what was seen so far.

    The sum is exact, so the mean is the same to the last bit however the images were divided into
    batches, devices or processes, and in whatever order those are merged.

    Attributes:
        total: of the finite values.
        count: of the finite values.
        infinite: how many values were infinite, as the PSNR of identical images is. They are in
            neither of the above.
    """

    total: Fraction = Fraction(0)
    count: int = 0
    infinite: int = 0

    def update(self, values: Iterable[float]) -> "Mean":
        """The state after these values, too.

        Raises:
            ValueError: one of them is not a number.
        """
        total, count, infinite = self.total, self.count, self.infinite
        for value in values:
            if math.isinf(value):
                infinite += 1
            else:
                total, count = total + Fraction(value), count + 1
        return Mean(total, count, infinite)

    def merge(self, other: "Mean") -> "Mean":
        """The state after the values of both."""
        return Mean(
            self.total + other.total, self.count + other.count, self.infinite + other.infinite
        )

    def compute(self) -> float:
        """Mean of the finite values; NaN if there are none."""
        return float(self.total / self.count) if self.count else math.nan

"""How certain a mean over images is, and whether two methods differ by more than that.

The images are taken as a sample: intervals are those of the percentile bootstrap (Efron, 1979),
with resamples that depend on the number of images alone, so that they come out the same again.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from madf_jax.metrics.mean import Mean

RESAMPLES = 1000
_SEED = 0
_AT_A_TIME = 2**22  # numbers drawn at once


class Estimate(NamedTuple):
    """A mean over images.

    Attributes:
        mean: of the finite values; NaN if there are none.
        standard_error: of the mean; NaN below two values.
        low: end of the 95 % bootstrap interval of the mean; NaN below two values.
        high: likewise.
        images: with a finite value.
    """

    mean: float
    standard_error: float
    low: float
    high: float
    images: int


class Comparison(NamedTuple):
    """One method against another on the same images.

    Attributes:
        difference: mean of the first's values minus the second's, where both are finite.
        low: end of its 95 % bootstrap interval.
        high: likewise.
        won: share of the images on which the first is better.
        lost: share on which the second is; on the rest both are the same.
        images: that were compared.
    """

    difference: float
    low: float
    high: float
    won: float
    lost: float
    images: int


def estimate(values: Sequence[float]) -> Estimate:
    """The mean of values, of which infinite ones are left out, and its uncertainty."""
    finite = np.asarray([v for v in values if math.isfinite(v)], np.float64)
    # Mean's sums are exact: the same mean as in every other table.
    mean, count = Mean().update(finite.tolist()).compute(), len(finite)
    if count < 2:
        return Estimate(mean, math.nan, math.nan, math.nan, count)
    error = float(np.std(finite, ddof=1) / math.sqrt(count))
    return Estimate(mean, error, *bootstrap_interval(finite), count)


def compare(
    first: Sequence[float], second: Sequence[float], *, higher_is_better: bool
) -> Comparison:
    """Compares two methods image by image.

    Args:
        first: values of a method, one for each image; may be infinite.
        second: values of the other on the same images, in the same order.
        higher_is_better: whether a larger value is the better one.
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.shape != y.shape:
        raise ValueError(f"two methods are compared on the same images, got {len(x)} and {len(y)}")
    better, worse = (x > y, x < y) if higher_is_better else (x < y, x > y)
    both = np.isfinite(x) & np.isfinite(y)
    difference = estimate((x[both] - y[both]).tolist())
    count = len(x)
    won, lost = (float(np.sum(side)) / count if count else math.nan for side in (better, worse))
    return Comparison(difference.mean, difference.low, difference.high, won, lost, count)


def bootstrap_interval(values: np.ndarray) -> tuple[float, float]:
    """The 95 % percentile bootstrap interval of the mean.

    Args:
        values: (N,), finite, N at least 2.
    """
    interval = stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        batch=max(1, _AT_A_TIME // len(values)),
        confidence_level=0.95,
        method="percentile",
        rng=np.random.default_rng(_SEED),
    ).confidence_interval
    return float(interval.low), float(interval.high)

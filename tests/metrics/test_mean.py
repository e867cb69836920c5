import functools
import math

import numpy as np
import pytest

from madf_jax.metrics.mean import Mean

VALUES = [*np.random.default_rng(0).normal(25, 5, 40), 1e16, 1.0, -1e16, math.inf, 1e-9]


def test_the_mean_is_exact():
    """A running sum of floats would lose the 1.0."""
    assert Mean().update([1e16, 1.0, -1e16]).compute() == 1 / 3
    assert Mean().update(VALUES).compute() == math.fsum(filter(math.isfinite, VALUES)) / 44


@pytest.mark.parametrize("size", [1, 3, 8, 45])
def test_neither_batches_nor_the_order_of_merging_change_a_bit(size):
    whole = Mean().update(VALUES)
    parts = [Mean().update(VALUES[i : i + size]) for i in range(0, len(VALUES), size)]
    for order in (parts, parts[::-1]):
        assert functools.reduce(Mean.merge, order, Mean()) == whole


def test_infinite_values_are_counted_apart():
    mean = Mean().update([1.0, math.inf, 3.0, math.inf])
    assert (mean.compute(), mean.count, mean.infinite) == (2, 2, 2)
    assert math.isnan(Mean().update([math.inf]).compute())
    assert math.isnan(Mean().compute())


def test_a_value_that_is_not_a_number_is_an_error():
    with pytest.raises(ValueError, match="NaN"):
        Mean().update([math.nan])

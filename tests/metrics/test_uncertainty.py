import math

import numpy as np
import pytest

from madf_jax.metrics.uncertainty import bootstrap_interval, compare, estimate

VALUES = np.random.default_rng(0).normal(25, 5, 200).tolist()


def test_the_standard_error_in_closed_form():
    found = estimate([1.0, 3.0])
    assert (found.mean, found.standard_error, found.images) == (2, 1, 2)


def test_the_interval_is_about_two_standard_errors_to_each_side():
    found = estimate(VALUES)
    assert found.mean == pytest.approx(np.mean(VALUES))
    half = 1.96 * found.standard_error
    assert found.low == pytest.approx(found.mean - half, abs=0.15 * half)
    assert found.high == pytest.approx(found.mean + half, abs=0.15 * half)


def test_the_interval_holds_the_true_mean_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    samples = generator.normal(0, 1, (200, 60))
    intervals = [bootstrap_interval(sample) for sample in samples]
    assert 0.90 <= np.mean([low <= 0 <= high for low, high in intervals]) <= 0.99


def test_it_comes_out_the_same_again_and_resamples_do_not_depend_on_the_metric():
    assert estimate(VALUES) == estimate(VALUES)
    low, high = bootstrap_interval(np.asarray(VALUES))
    scaled = bootstrap_interval(2 * np.asarray(VALUES) + 1)
    assert scaled == pytest.approx((2 * low + 1, 2 * high + 1), rel=1e-9)


def test_infinite_values_are_left_out():
    found = estimate([1.0, math.inf, 3.0])
    assert (found.mean, found.images) == (2, 2)
    assert math.isnan(estimate([math.inf]).mean)


def test_one_value_has_a_mean_and_no_interval():
    found = estimate([7.0])
    assert (found.mean, found.images) == (7, 1)
    assert all(map(math.isnan, (found.standard_error, found.low, found.high)))


def test_a_comparison_pairs_images():
    """Always ahead by one: certain, although the images differ by far more."""
    found = compare([v + 1 for v in VALUES], VALUES, higher_is_better=True)
    assert (found.won, found.lost, found.images) == (1, 0, 200)
    assert (found.difference, found.low, found.high) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_who_wins_depends_on_the_direction_and_nobody_wins_a_tie(higher_is_better):
    found = compare([1.0, 2.0, 5.0, 0.0], [0.0, 1.0, 5.0, 3.0], higher_is_better=higher_is_better)
    shares = (0.5, 0.25) if higher_is_better else (0.25, 0.5)
    assert (found.won, found.lost) == shares
    assert found.difference == pytest.approx(-0.25)


def test_an_infinite_value_wins_and_is_not_in_the_difference():
    found = compare([math.inf, math.inf, 3.0], [20.0, math.inf, 1.0], higher_is_better=True)
    assert (found.won, found.lost) == pytest.approx((2 / 3, 0))
    assert (found.difference, found.images) == (2, 3)


def test_different_images_are_not_compared():
    with pytest.raises(ValueError, match="same images, got 1 and 2"):
        compare([1.0], [1.0, 2.0], higher_is_better=True)

import math

import pytest

from madf_jax.evaluation.ranking import SHOWN, choose_examples


@pytest.mark.parametrize("count", range(1, 20))
def test_each_example_is_shown_once_at_most(count):
    values = [float(7 * i % count) for i in range(count)]
    chosen = choose_examples(values, higher_is_better=True)
    places = [place for kind in chosen.values() for place in kind]
    assert len(set(places)) == len(places) == min(count, 3 * max(1, min(SHOWN, count // 3)))
    assert [values[place] for place in places] == sorted((values[p] for p in places), reverse=True)


def test_best_median_and_worst_are_what_they_are_called():
    values = [5.0, 1.0, 9.0, 3.0, 7.0]
    assert choose_examples(values, higher_is_better=True) == {
        "best": [2],
        "median": [0],
        "worst": [1],
    }
    assert choose_examples(values, higher_is_better=False)["best"] == [1]


def test_an_identical_image_is_the_best_and_one_without_a_value_is_none():
    chosen = choose_examples([20.0, math.inf, math.nan, 30.0], higher_is_better=True)
    assert chosen == {"best": [1], "median": [3], "worst": [0]}


def test_without_a_value_none_is_shown():
    assert choose_examples([math.nan] * 3, higher_is_better=True) == {}

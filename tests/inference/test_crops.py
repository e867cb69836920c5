"""Boxes around holes."""

import numpy as np
import pytest

from madf_jax.inference.crops import find_crops


def crops(hole, margin=32):
    return find_crops(hole, margin)


def with_holes(size, *boxes):
    hole = np.zeros(size, bool)
    for top, left, height, width in boxes:
        hole[top : top + height, left : left + width] = True
    return hole


def test_without_a_hole_there_is_nothing():
    assert crops(with_holes((100, 100))) == []


def test_a_hole_gets_its_margin_inside_the_image():
    (box,) = crops(with_holes((600, 800), (5, 300, 20, 10)))
    assert box == (slice(0, 57), slice(268, 342))


def test_holes_far_apart_get_boxes_of_their_own_and_near_ones_share():
    hole = with_holes((900, 900), (100, 100, 10, 10), (150, 120, 5, 5), (700, 600, 9, 9))
    assert crops(hole) == [
        (slice(68, 187), slice(68, 157)),
        (slice(668, 741), slice(568, 641)),
    ]


def test_a_wide_hole_gets_as_much_context_as_it_is_wide():
    hole = with_holes((900, 900), (200, 150, 90, 200), (700, 600, 9, 9))
    first, second = crops(hole)
    assert first == (slice(110, 380), slice(60, 440))
    assert second == (slice(668, 741), slice(568, 641))


def test_boxes_that_would_hold_nearly_the_image_become_the_image():
    hole = with_holes((200, 200), (20, 20, 10, 10), (170, 170, 10, 10))
    assert crops(hole, margin=90) == [(slice(0, 200), slice(0, 200))]


def test_a_box_within_the_bounds_of_a_bent_hole_is_merged():
    """The bounds of an L hold another hole in its bend, farther away than the margin."""
    hole = with_holes((900, 900), (50, 50, 600, 4), (646, 50, 4, 600), (100, 500, 5, 5))
    assert crops(hole, margin=16) == [(slice(34, 666), slice(34, 666))]


@pytest.mark.parametrize("seed", range(20))
def test_boxes_hold_all_of_the_hole_and_do_not_overlap(seed):
    generator = np.random.default_rng(seed)
    size = tuple(generator.integers(1, 700, 2))
    hole = np.zeros(size, bool)
    for _ in range(generator.integers(1, 12)):
        top, left = (generator.integers(side) for side in size)
        hole[top : top + generator.integers(1, 60), left : left + generator.integers(1, 60)] = True
    boxes = crops(hole, margin=int(generator.integers(0, 60)))
    count = np.zeros(size, int)
    for box in boxes:
        count[box] += 1
        assert hole[box].any()
    assert count.max() == 1
    assert count[hole].min() == 1


def test_many_specks_take_no_time():
    hole = np.random.default_rng(0).random((3000, 4000)) > 0.9999
    assert len(crops(hole, margin=16)) >= 1

"""How deep and how wide holes are."""

import numpy as np
import pytest

from madf_jax.inference.distance import depth_of, hole_width
from tests.inference.fakes import box_hole


@pytest.mark.parametrize(
    ("hole", "width"),
    [
        (box_hole((90, 90), 0, 0, 0, 0), 0),
        (box_hole((90, 90), 40, 40, 1, 1), 2),
        (box_hole((90, 90), 20, 10, 9, 60), 10),  # five pixels from the known on both sides
        (box_hole((90, 90), 20, 10, 60, 9), 10),
        (box_hole((90, 90), 0, 0, 90, 20), 40),  # seen from one side only
    ],
)
def test_hole_width_by_hand(hole, width):
    assert hole_width(hole) == pytest.approx(width, rel=0.02)


def test_depth_is_the_distance_from_the_known():
    depth = depth_of(box_hole((30, 40), 10, 10, 7, 20))
    np.testing.assert_allclose(depth[8:19, 20], [0, 0, 1, 2, 3, 4, 3, 2, 1, 0, 0], rtol=0.02)

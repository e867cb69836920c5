"""Where what was painted meets what is known."""

import numpy as np

from madf_jax.inference.seam import feather


def case(offset=20):
    """A flat image of which the network misses the color by an offset everywhere."""
    image = np.full((60, 60, 3), 100, np.float32)
    known = np.ones((60, 60), bool)
    known[15:45, 15:45] = False
    return image, known, image - offset


def test_width_0_changes_nothing():
    image, known, output = case()
    assert feather(image, known, output, 0) is output


def test_the_step_at_the_edge_goes_and_fades_out_inside():
    image, known, output = case(offset=20)
    row = feather(image, known, output, 10)[30, :, 0]
    np.testing.assert_allclose(row[15], 100, atol=1.5)
    assert np.all(np.diff(row[15:26]) < 0)
    np.testing.assert_allclose(row[26:34], 80, atol=1e-3)


def test_an_output_that_misses_nothing_stays():
    image, known, output = case(offset=0)
    np.testing.assert_allclose(feather(image, known, output, 10), output, atol=1e-3)


def test_what_is_under_the_hole_is_not_read():
    image, known, output = case()
    before = feather(image, known, output, 10)
    image[~known] = np.nan
    np.testing.assert_array_equal(feather(image, known, output, 10), before)


def test_a_hole_with_nothing_known_beside_it_keeps_its_color():
    image, _, output = case()
    np.testing.assert_array_equal(feather(image, np.zeros((60, 60), bool), output, 10), output)


def test_values_stay_in_range():
    image, known, output = case(offset=-200)
    assert feather(image, known, np.clip(output, 0, 255), 10).max() <= 255

"""Where what was painted meets what is known."""

import numpy as np

from madf_jax.inference.seam import feather


def case(offset=20):
    """A flat image whose hole was painted in another color."""
    image = np.full((60, 60, 3), 100, np.float32)
    known = np.ones((60, 60), bool)
    known[15:45, 15:45] = False
    return image, known, image - offset


def test_width_0_changes_nothing():
    image, known, output = case()
    assert feather(image, known, output, 0) is output


def test_the_step_at_the_edge_goes_and_fades_out_inside():
    image, known, output = case(offset=20)
    row = feather(image, known, output, 12)[30, :, 0]
    np.testing.assert_allclose(row[15], 100, atol=1.5)
    assert np.all(np.diff(row[15:26]) < 0)
    np.testing.assert_allclose(row[28:32], 80, atol=1e-3)


def test_a_fill_without_a_step_stays():
    image, known, output = case(offset=0)
    feathered = feather(image, known, output, 8)
    np.testing.assert_allclose(feathered[~known], output[~known], atol=1e-3)


def test_steps_of_two_sides_are_taken_out_apart():
    image, known, output = case(offset=0)
    image[:, 45:] = 140
    row = feather(image, known, output, 8)[30, :, 0]
    np.testing.assert_allclose(row[15:25], 100, atol=0.1)
    np.testing.assert_allclose(row[44], 140, atol=4)


def test_neither_what_is_under_the_hole_nor_painted_outside_is_read():
    image, known, output = case()
    before = feather(image, known, output, 8)[~known]
    image[~known] = np.nan
    output[known] = np.nan
    np.testing.assert_array_equal(feather(image, known, output, 8)[~known], before)


def test_with_nothing_known_the_color_stays():
    image, _, output = case()
    np.testing.assert_array_equal(feather(image, np.zeros((60, 60), bool), output, 8), output)


def test_values_stay_in_range():
    image, known, output = case(offset=-200)
    assert feather(image, known, np.clip(output, 0, 255), 8)[~known].max() <= 255

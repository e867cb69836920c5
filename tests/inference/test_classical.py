import numpy as np
import pytest

from madf_jax.inference.classical import BASELINES, mean_fill


@pytest.fixture
def case():
    generator = np.random.default_rng(0)
    image = generator.integers(0, 256, (24, 20, 3)).astype(np.uint8)
    mask = np.ones((24, 20, 1), np.uint8)
    mask[5:12, 4:15] = 0
    return image, mask


@pytest.mark.parametrize("method", BASELINES)
def test_only_the_hole_is_filled_and_nothing_under_it_is_read(method, case):
    image, mask = case
    filled = BASELINES[method](image, mask)
    assert (filled.dtype, filled.shape) == (np.uint8, image.shape)
    known = mask[..., 0] == 1
    np.testing.assert_array_equal(filled[known], image[known])
    garbage = np.where(mask == 1, image, 255 - image)
    np.testing.assert_array_equal(BASELINES[method](garbage, mask), filled)
    assert np.any(filled[~known] != image[~known])


# OpenCV's Telea rounds on its way from the rim to the middle.
@pytest.mark.parametrize(
    ("method", "tolerance"), [("mean_fill", 0), ("telea", 2), ("navier_stokes", 0)]
)
def test_a_flat_image_is_filled_with_its_color(method, tolerance, case):
    _, mask = case
    image = np.broadcast_to(np.asarray([10, 120, 250], np.uint8), (24, 20, 3))
    holed = np.where(mask == 1, image, np.uint8(0))
    difference = BASELINES[method](holed, mask).astype(int) - image
    assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize("method", BASELINES)
def test_without_a_hole_nothing_changes(method, case):
    image, mask = case
    np.testing.assert_array_equal(BASELINES[method](image, np.ones_like(mask)), image)


def test_mean_fill_by_hand():
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0], image[0, 1], image[1] = (10, 0, 200), (21, 2, 100), 255
    mask = np.asarray([[[1], [1]], [[0], [0]]], np.uint8)
    np.testing.assert_array_equal(mean_fill(image, mask)[1], [[16, 1, 150]] * 2)


def test_mean_fill_without_known_pixels_is_gray():
    image, mask = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2, 1), np.uint8)
    np.testing.assert_array_equal(mean_fill(image, mask), np.full((2, 2, 3), 128))

import numpy as np
import pytest

from madf_jax.inference.classical import CLASSICAL, mean_fill


@pytest.fixture
def case():
    """Two images and their masks."""
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (2, 24, 20, 3), np.uint8)
    masks = np.ones((2, 24, 20, 1), np.uint8)
    masks[0, 5:12, 4:15] = 0
    masks[1, :3, 10:] = 0
    return images, masks


@pytest.mark.parametrize("method", CLASSICAL)
def test_only_the_hole_is_filled_and_nothing_under_it_is_read(method, case):
    images, masks = case
    filled = CLASSICAL[method](images, masks)
    assert (filled.dtype, filled.shape) == (np.uint8, images.shape)
    known = masks[..., 0] == 1
    np.testing.assert_array_equal(filled[known], images[known])
    garbage = np.where(masks == 1, images, 255 - images)
    np.testing.assert_array_equal(CLASSICAL[method](garbage, masks), filled)
    assert np.any(filled[~known] != images[~known])


@pytest.mark.parametrize("method", CLASSICAL)
def test_every_image_is_painted_by_itself(method, case):
    images, masks = case
    alone = [CLASSICAL[method](images[i : i + 1], masks[i : i + 1])[0] for i in range(2)]
    np.testing.assert_array_equal(CLASSICAL[method](images, masks), alone)


# OpenCV's Telea rounds on its way from the rim to the middle.
@pytest.mark.parametrize(
    ("method", "tolerance"), [("mean_fill", 0), ("telea", 2), ("navier_stokes", 0)]
)
def test_a_flat_image_is_filled_with_its_color(method, tolerance, case):
    _, masks = case
    images = np.broadcast_to(np.asarray([10, 120, 250], np.uint8), (2, 24, 20, 3))
    holed = np.where(masks == 1, images, np.uint8(0))
    difference = CLASSICAL[method](holed, masks).astype(int) - images
    assert np.abs(difference).max() <= tolerance


@pytest.mark.parametrize("method", CLASSICAL)
def test_without_a_hole_nothing_changes(method, case):
    images, masks = case
    np.testing.assert_array_equal(CLASSICAL[method](images, np.ones_like(masks)), images)


def test_mean_fill_by_hand():
    image = np.zeros((1, 2, 2, 3), np.uint8)
    image[0, 0, 0], image[0, 0, 1], image[0, 1] = (10, 0, 200), (21, 2, 100), 255
    mask = np.asarray([[[[1], [1]], [[0], [0]]]], np.uint8)
    np.testing.assert_array_equal(mean_fill(image, mask)[0, 1], [[16, 1, 150]] * 2)


def test_mean_fill_without_known_pixels_is_gray():
    image, mask = np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 2, 1), np.uint8)
    np.testing.assert_array_equal(mean_fill(image, mask), np.full((1, 2, 2, 3), 128))

"""Images of any size through a network that takes only some."""

import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.inference.sizes import AnySize, bucket, pad
from tests.inference.fakes import Blurring, Doubling


def test_buckets_are_few_and_near():
    multiple = 16
    sizes = {bucket(side, multiple) for side in range(1, 4097)}
    assert {size // multiple for size in sizes if size <= 512} == {
        *range(1, 9),
        10,
        12,
        14,
        16,
        20,
        24,
        28,
        32,
    }
    assert len(sizes) == 28
    for side in range(1, 4097):
        padded = bucket(side, multiple)
        assert side <= padded < 1.25 * side + multiple
        assert padded % multiple == 0
        assert bucket(padded, multiple) == padded


def test_the_published_size_is_not_padded():
    assert bucket(512, 16) == bucket(512, 128) == 512


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 7), (2, 3), (7, 1), (8, 8), (9, 15)])
def test_padding_reflects_however_short_an_image_is(height, width):
    array = np.arange(height * width * 3, dtype=np.float32).reshape(height, width, 3)
    padded = pad(array, 16, 24)
    assert padded.shape == (16, 24, 3)
    np.testing.assert_array_equal(padded[:height, :width], array)
    # Only values of the image, and each neighbor mirrored at the last row and column.
    assert set(padded.ravel()) == set(array.ravel())
    if height > 1:
        np.testing.assert_array_equal(padded[height], padded[height - 2])
    if width > 1:
        np.testing.assert_array_equal(padded[:, width], padded[:, width - 2])


def batch(*sizes, seed=0):
    generator = np.random.default_rng(seed)
    images = [generator.uniform(0, 255, (*size, 3)).astype(np.float32) for size in sizes]
    known = [generator.random(size) > 0.3 for size in sizes]
    for mask in known:
        mask[0, 0] = False  # there is something to paint
    return images, known


def test_outputs_have_the_sizes_of_the_images_and_come_in_their_order():
    images, known = batch((1, 1), (9, 17), (8, 8), (30, 2), (9, 18))
    outputs = AnySize(Doubling(), 4, 1e9)(images, known)
    for image, mask, output in zip(images, known, outputs, strict=True):
        np.testing.assert_array_equal(output, np.where(mask[..., None], 2 * image, -1))


def test_images_of_one_padded_size_are_run_together_in_powers_of_two():
    network = Doubling()
    AnySize(network, 4, 1e9)(*batch(*[(9, 9)] * 7, (30, 30)))
    assert network.shapes == [(4, 16, 16), (2, 16, 16), (1, 16, 16), (1, 32, 32)]


def test_a_batch_is_no_larger_than_memory_allows():
    network = Doubling(bytes_a_pixel=100)
    AnySize(network, 8, 2.5 * 100 * 16 * 16)(*batch(*[(16, 16)] * 4))
    assert network.shapes == [(2, 16, 16)] * 2


def test_what_takes_more_than_the_limit_is_painted_in_tiles_that_fit():
    network = Doubling(bytes_a_pixel=100)
    paint = AnySize(network, 1, 100 * 300 * 300)
    images, known = batch((700, 900))
    (output,) = paint(images, known)
    assert set(network.shapes) == {(1, 256, 256)}
    np.testing.assert_allclose(output, np.where(known[0][..., None], 2 * images[0], -1), rtol=1e-5)


def test_tiles_have_no_seams():
    """Twice the reach of the fake network is less than the overlap: only blending could differ."""
    images, known = batch((512, 640))
    whole = AnySize(Blurring(), 1, 1e9)(images, known)[0]
    tiled = AnySize(Blurring(), 1, 100 * 300 * 300)(images, known)[0]
    np.testing.assert_allclose(tiled, whole, atol=0.05)


def test_tiles_without_a_hole_are_not_painted():
    network = Doubling()
    image, known = np.zeros((256, 2000, 3), np.float32), np.ones((256, 2000), bool)
    known[100, 1990] = False
    (output,) = AnySize(network, 1, 100 * 256 * 256)([image], [known])
    assert network.shapes == [(1, 256, 256)]
    assert output[100, 1990, 0] == -1


def test_a_limit_below_the_smallest_tile_is_refused_with_what_that_takes():
    paint = AnySize(Doubling(bytes_a_pixel=1e5), 1, 1e9)
    with pytest.raises(UserError, match=r"limit is 1 GB, but a tile of 256x256 takes 6\.6 GB"):
        paint(*batch((300, 300)))


def test_small_images_are_painted_under_a_limit_that_no_tile_would_fit():
    AnySize(Doubling(bytes_a_pixel=1e5), 1, 1e9)(*batch((90, 90)))

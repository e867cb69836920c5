import numpy as np
import pytest
from PIL import Image

from madf_jax.data.sources import PhotoSource
from madf_jax.data.transforms import center_crop, random_crop, squash

COFFEE = PhotoSource("train")[1]  # 400 x 600
LANCZOS = Image.Resampling.LANCZOS
ROWS, COLUMNS = np.mgrid[:400, :600]
SMOOTH = np.stack([ROWS / 2, COLUMNS / 3, 255 - ROWS / 4 - COLUMNS / 4], -1).astype(np.uint8)


class Fixed(np.random.Generator):
    """Hands out chosen numbers: the shorter side, top and left; never mirrors."""

    def __init__(self, *numbers):
        super().__init__(np.random.PCG64(0))
        self.numbers = list(numbers)

    def integers(self, *args, **kwargs):
        return self.numbers.pop(0)

    def random(self):
        return 1.0


@pytest.mark.parametrize("shorter", [64, 90, 230, 400, 700])
def test_crop_equals_resizing_the_whole_image_first(shorter):
    """But for the rounding of its place to whole pixels and for another good filter."""
    size = 48
    side = round(size * 400 / shorter)
    top, left = (400 - side) // 3, (600 - side) // 2
    crop = random_crop(
        SMOOTH, Fixed(shorter, top, left), size=size, resize_min=48, resize_max=999, flip=False
    )
    whole = Image.fromarray(SMOOTH).resize((round(shorter * 1.5), shorter), LANCZOS)
    y, x = (round(start * shorter / 400) for start in (top, left))
    expected = np.asarray(whole)[y : y + size, x : x + size].astype(int)
    # One pixel of the resized image is up to 8 steps of the ramps.
    assert np.abs(crop - expected).max() <= 8
    assert abs((crop - expected).mean()) < 4


def test_crop_at_full_size_copies_pixels():
    crop = random_crop(
        COFFEE, Fixed(400, 30, 70), size=64, resize_min=64, resize_max=400, flip=True
    )
    np.testing.assert_array_equal(crop, COFFEE[30:94, 70:134])


def test_shrinking_takes_the_mean_of_what_a_pixel_covers():
    """Taking single pixels instead would turn fine stripes into coarse ones."""
    stripes = np.zeros((96, 96, 3), np.uint8)
    stripes[:, ::2] = 200
    crop = random_crop(stripes, Fixed(24, 0, 0), size=24, resize_min=24, resize_max=24, flip=False)
    np.testing.assert_array_equal(crop, 100)


def test_random_crop_reaches_every_place_and_length():
    rows, columns = np.indices((200, 100), np.uint8)
    ramp = np.stack([rows, columns, rows], -1)
    crops = [
        random_crop(
            ramp,
            np.random.default_rng(s),
            size=50,
            resize_min=50,
            resize_max=100,
            flip=False,
        )
        for s in range(200)
    ]
    extents = [int(c[..., 1].max()) - int(c[..., 1].min()) for c in crops]
    assert min(extents) < 55 and max(extents) > 95
    assert min(int(c[..., 0].min()) for c in crops) < 10
    assert max(int(c[..., 0].max()) for c in crops) > 190


def test_flip_mirrors_half_and_only_if_asked():
    settings = {"size": 400, "resize_min": 400, "resize_max": 400}
    square = COFFEE[:, :400]
    for flip, expected in ((False, {False}), (True, {False, True})):
        crops = [
            random_crop(square, np.random.default_rng(s), flip=flip, **settings) for s in range(9)
        ]
        assert {bool((c == square[:, ::-1]).all()) for c in crops} == expected
        assert all((c == square).all() or (c == square[:, ::-1]).all() for c in crops)


def test_center_crop_is_the_largest_centred_square():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(center_crop(COFFEE, rng, size=400), COFFEE[:, 100:500])


def test_squash_keeps_the_whole_image():
    expected = Image.fromarray(SMOOTH).resize((200, 200), LANCZOS)
    np.testing.assert_allclose(squash(SMOOTH, np.random.default_rng(0), size=200), expected, atol=3)


@pytest.mark.parametrize("shape", [(1, 1), (33, 400), (400, 33), (64, 65)])
def test_any_shape_gives_the_square(shape):
    image = np.full((*shape, 3), 200, np.uint8)
    rng = np.random.default_rng(0)
    crops = [
        random_crop(image, rng, size=64, resize_min=64, resize_max=99, flip=True),
        center_crop(image, rng, size=64),
        squash(image, rng, size=64),
    ]
    assert all(c.shape == (64, 64, 3) and c.dtype == np.uint8 and (c == 200).all() for c in crops)


def test_channel_jitter_swaps_and_darkens_channels_only():
    settings = {"size": 64, "resize_min": 64, "resize_max": 128, "flip": True}
    plain = random_crop(COFFEE, np.random.default_rng(3), **settings)
    varied = random_crop(COFFEE, np.random.default_rng(3), **settings, channel_jitter=0.5)
    for channel in np.moveaxis(varied, -1, 0).astype(float):
        gains = [channel.sum() / source.sum() for source in np.moveaxis(plain, -1, 0)]
        errors = [
            np.abs(channel - gain * source).max()
            for gain, source in zip(gains, np.moveaxis(plain, -1, 0), strict=True)
        ]
        best = int(np.argmin(errors))
        assert errors[best] < 1.5
        assert 0.49 < gains[best] <= 1.01
    orders = {
        tuple(
            np.argsort(
                random_crop(COFFEE, np.random.default_rng(s), **settings, channel_jitter=0.01).mean(
                    (0, 1)
                )
            )
        )
        for s in range(40)
    }
    assert len(orders) > 3

"""What is cut out, painted, and put back."""

import numpy as np
import pytest
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.imaging.rasters import to_raster
from madf_jax.inference.painting import PaintOptions, paint_rasters


def gray(images, known):
    """A network that paints everything in one gray."""
    return [np.full_like(image, 77) for image in images]


def paint(image, known, network=gray, trained_width=50.0, **changes):
    """Without the change of colors at seams, so that it is known what is painted."""
    raster, options = to_raster(image), PaintOptions(**{"feather": 0, **changes})
    (pixels,) = paint_rasters(network, [raster], [known], options, trained_width)
    return raster.rebuild(pixels)


def square_hole(size, at=(10, 10), side=8):
    known = np.ones(size, bool)
    known[at[0] : at[0] + side, at[1] : at[1] + side] = False
    return known


def random_image(size=(40, 50, 3), seed=0):
    return np.random.default_rng(seed).integers(0, 256, size, dtype=np.uint8)


def test_the_hole_is_painted_and_nothing_else():
    image, known = random_image(), square_hole((40, 50))
    before = image.copy()
    painted = paint(image, known)
    np.testing.assert_array_equal(painted[~known], 77)
    np.testing.assert_array_equal(painted[known], image[known])
    np.testing.assert_array_equal(image, before)


def test_without_a_hole_the_network_does_not_run():
    image = random_image()
    painted = paint(image, np.ones((40, 50), bool), network=lambda images, known: [])
    np.testing.assert_array_equal(painted, image)


def test_dilate_grows_the_hole_all_around():
    known = square_hole((40, 50), at=(20, 20), side=1)
    painted = paint(np.zeros((40, 50), np.uint8), known, dilate=3)
    rows, columns = np.nonzero(painted)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (17, 23, 17, 23)
    assert painted[17, 17] == 0  # a disk, not a square


@pytest.mark.parametrize("options", [{"dilate": 10**6}, {"margin": 10**9}, {"scale": 1e9}])
def test_options_of_any_size_cost_nothing(options):
    painted = paint(np.zeros((40, 50), np.uint8), square_hole((40, 50)), **options)
    assert (painted == 77).all() == ("dilate" in options)


def test_numbers_of_numpy_are_numbers():
    options = {"dilate": np.int64(2), "feather": np.int32(3), "scale": np.float32(2)}
    assert PaintOptions(**options) == PaintOptions(dilate=2, feather=3, scale=2)


def test_the_network_sees_crops_with_margins_for_holes_far_apart():
    sizes = []

    def network(images, known):
        sizes.extend(mask.shape for mask in known)
        return gray(images, known)

    known = square_hole((900, 900)) & square_hole((900, 900), at=(700, 650))
    painted = paint(np.zeros((900, 900, 3), np.uint8), known, network, margin=64)
    assert sizes == [(82, 82), (136, 136)]
    np.testing.assert_array_equal(painted[..., 0] == 77, ~known)


@pytest.mark.parametrize(("side", "runs"), [(50, 1), (60, 1), (70, 2), (150, 3)])
def test_scale_auto_shrinks_only_what_is_wider_than_trained(side, runs):
    calls = []

    def network(images, known):
        calls.append(known)
        return gray(images, known)

    paint(np.zeros((300, 300), np.uint8), square_hole((300, 300), side=side), network)
    assert len(calls) == runs


def test_a_step_at_the_edge_is_taken_out_by_default():
    image, known = np.full((40, 50), 120, np.uint8), square_hole((40, 50), side=20)
    options = PaintOptions()
    (pixels,) = paint_rasters(gray, [to_raster(image)], [known], options, 50.0)
    np.testing.assert_allclose(pixels[10, 12:28, 0], 120, atol=6)
    assert pixels[20, 20, 0] == 77


def test_a_scale_can_be_given():
    sizes = []

    def network(images, known):
        sizes.extend(mask.shape for mask in known)
        return gray(images, known)

    paint(np.zeros((60, 90), np.uint8), square_hole((60, 90)), network, scale=3)
    assert sizes == [(20, 30), (35, 52), (60, 90)]


def test_inks_are_painted_apart():
    image = Image.new("CMYK", (50, 40), (10, 20, 30, 40))
    known = square_hole((40, 50))
    planes = []

    def network(images, known):
        planes.extend(images)
        return [np.full_like(image, 55) for image in images]

    painted = np.asarray(paint(image, known, network))
    assert [tuple(plane[0, 0]) for plane in planes] == [(245, 235, 225), (215, 215, 215)]
    np.testing.assert_array_equal(painted[~known], [[200, 200, 200, 200]] * 64)
    np.testing.assert_array_equal(painted[known], np.asarray(image)[known])


def rgba(hole_alpha, rest_alpha=255):
    image = random_image((40, 50, 4))
    known = square_hole((40, 50))
    image[..., 3] = rest_alpha
    image[~known, 3] = hole_alpha
    return image, known


def test_alpha_is_kept():
    image, known = rgba(hole_alpha=128)
    painted = paint(image, known)
    np.testing.assert_array_equal(painted[..., 3], image[..., 3])
    np.testing.assert_array_equal(painted[~known][:, :3], 77)


def test_an_erased_hole_becomes_opaque():
    image, known = rgba(hole_alpha=0)
    painted = paint(image, known)
    np.testing.assert_array_equal(painted[~known], [[77, 77, 77, 255]] * 64)


def test_transparent_pixels_are_not_read_and_stay():
    image, known = rgba(hole_alpha=255)
    image[:15, :, 3] = 0  # half of the hole, too
    seen = []

    def network(images, known):
        seen.extend(known)
        return gray(images, known)

    painted = paint(image, known, network)
    assert not seen[0][:15].any() and seen[0][25:].all()
    np.testing.assert_array_equal(painted[:15], image[:15])
    np.testing.assert_array_equal(painted[15:18, 10:18, :3], 77)


def test_a_transparent_palette_entry_is_not_painted_with():
    image = Image.fromarray(random_image((40, 50, 3))).quantize(5)
    image.info["transparency"] = 1
    known = square_hole((40, 50))
    painted = paint(image, known, network=lambda images, known: [i * 0 + 1 for i in images])
    before, after = np.asarray(image), np.asarray(painted)
    np.testing.assert_array_equal(after[known], before[known])
    hidden = ~known & (before == 1)
    np.testing.assert_array_equal(after[hidden], 1)
    assert not np.any(after[~known & ~hidden] == 1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scale": 0.5}, "scale must be 'auto' or a number of at least 1, got 0.5"),
        ({"scale": "half"}, "scale must be"),
        ({"scale": float("nan")}, "scale must be"),
        ({"dilate": -1}, "dilate must be a whole number of pixels, got -1"),
        ({"feather": 1.5}, "feather must be"),
        ({"margin": float("inf")}, "margin must be"),
        ({"detail": 1.1}, "detail must be a number from 0 to 1, got 1.1"),
        ({"detail": float("nan")}, "detail must be"),
    ],
)
def test_wrong_options_are_named(options, message):
    with pytest.raises(UserError, match=message):
        PaintOptions(**options)

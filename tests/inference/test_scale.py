"""Holes wider than those that were trained on."""

import numpy as np
import pytest

from madf_jax.inference.scale import enlarge, fill, scale_steps, shrink
from tests.inference.fakes import box_hole


def test_shrinking_mixes_nothing_from_under_the_hole():
    image = np.full((40, 60, 3), 100, np.float32)
    hole = box_hole((40, 60), 10, 10, 13, 17)
    for under in (255, np.nan):
        image[hole] = under
        small, known = shrink(image, ~hole, 2.7)
        assert small.shape == (*known.shape, 3) == (15, 22, 3)
        np.testing.assert_allclose(small[known], 100, rtol=1e-5)
        assert known.mean() == pytest.approx(1 - hole.mean(), abs=0.03)


def test_scale_1_is_the_image_itself():
    image, known = np.zeros((5, 6, 3), np.float32), np.ones((5, 6), bool)
    assert shrink(image, known, 1)[0] is image


def test_an_image_shrinks_to_a_pixel_at_least():
    _, known = shrink(np.ones((5, 600, 3), np.float32), np.ones((5, 600), bool), 100)
    assert known.shape == (1, 6)


def test_enlarging_stays_in_range():
    image = np.zeros((4, 4, 3), np.float32)
    image[2:] = 255
    large = enlarge(image, (31, 17))
    assert large.shape == (31, 17, 3)
    assert large.min() == 0 and large.max() == 255


class Recorder:
    """A network that paints holes with the number of its call."""

    def __init__(self):
        self.calls = []

    def __call__(self, images, known):
        self.calls.append((images, known))
        number = np.float32(len(self.calls))
        return [
            np.where(mask[..., None], image, number)
            for image, mask in zip(images, known, strict=True)
        ]


def test_at_scale_1_the_network_runs_once():
    paint, hole = Recorder(), box_hole((64, 64), 10, 10, 30, 30)
    image = np.full((64, 64, 3), 50, np.float32)
    (output,) = fill(paint, [image], [~hole], [1.0], 0.0)
    assert len(paint.calls) == 1
    np.testing.assert_array_equal(output[..., 0], np.where(hole, 1, 50))


def test_the_middle_stays_as_it_was_painted_coarsely_and_bands_get_finer():
    paint, hole = Recorder(), box_hole((160, 160), 30, 30, 100, 100)
    image = np.full((160, 160, 3), 50, np.float32)
    (output,) = fill(paint, [image], [~hole], [100 / 24], 0.0)
    assert [known[0].shape for _, known in paint.calls] == [(38, 38), (78, 78), (160, 160)]
    row = output[80, :, 0]
    np.testing.assert_array_equal(row[:30], 50)
    np.testing.assert_array_equal(row[30:42], 3)  # half the trained width, at full size
    np.testing.assert_allclose(row[46:50], 2, atol=0.2)  # as deep again at half the size
    np.testing.assert_allclose(row[60:100], 1, atol=0.05)
    # The finest call reads the middle as known.
    assert paint.calls[-1][1][0][80, 80]
    assert not paint.calls[-1][1][0][80, 35]


@pytest.mark.parametrize(("scale", "textured"), [(1.0, False), (2.0, True)])
def test_what_was_painted_smaller_takes_detail_from_the_image(scale, textured):
    hole = box_hole((160, 160), 50, 50, 60, 60)
    image = np.random.default_rng(0).normal(128, 20, (160, 160, 3)).astype(np.float32)
    (output,) = fill(Recorder(), [image], [~hole], [scale], 1.0)
    assert (output[60:100, 60:100].std() > 10) == textured


def test_a_narrow_hole_beside_a_wide_one_is_painted_at_full_size():
    hole = box_hole((160, 160), 30, 30, 100, 60) | box_hole((160, 160), 10, 130, 140, 6)
    (output,) = fill(Recorder(), [np.zeros((160, 160, 3), np.float32)], [~hole], [60 / 24], 0.0)
    np.testing.assert_array_equal(output[80, 130:136, 0], 2)  # the second and last call


def test_each_image_has_its_own_scale():
    paint = Recorder()
    images = [np.zeros((64, 64, 3), np.float32)] * 3
    known = [~box_hole((64, 64), 10, 10, 40, 40)] * 3
    outputs = fill(paint, images, known, [1.0, 3.0, 1.5], 0.0)
    assert [output.shape for output in outputs] == [(64, 64, 3)] * 3
    assert [[mask.shape[0] for mask in known] for _, known in paint.calls] == [
        [64, 21, 43],
        [37, 64],
        [64],
    ]


@pytest.mark.parametrize("scale", [2.0, 4.0, 8.0, 1e9])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_hole_too_narrow_for_the_scale_has_the_colors_around_it(scale, width):
    def paint(images, known):  # as `AnySize`, which gives 0 where nothing is to be painted
        return [
            np.zeros_like(image) if mask.all() else np.full_like(image, 200)
            for image, mask in zip(images, known, strict=True)
        ]

    hole = box_hole((64, 64), 20, 5, width, 45)
    (output,) = fill(paint, [np.full((64, 64, 3), 200, np.float32)], [~hole], [scale], 0.0)
    np.testing.assert_allclose(output[hole], 200, rtol=1e-5)


def test_no_image_is_no_work():
    assert fill(Recorder(), [], [], [], 0.0) == []


@pytest.mark.parametrize(
    ("scale", "steps"),
    [(1, [1]), (1.3, [1.3, 1]), (2, [2, 1]), (2.9, [2.9, 2.9**0.5, 1]), (8, [8, 4, 2, 1])],
)
def test_scales_get_finer_by_about_two(scale, steps):
    assert scale_steps(scale) == pytest.approx(steps)

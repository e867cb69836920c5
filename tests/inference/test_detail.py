"""Fine detail from elsewhere in the image."""

import numpy as np
import pytest

from madf_jax.inference.detail import transfer_detail

SIZE = (150, 200)
HOLE = np.zeros(SIZE, bool)
HOLE[50:100, 40:160] = True
DEEP = (slice(62, 88), slice(52, 148))  # farther from its edge than a patch reaches


def flat(*levels):
    """Equal columns of these gray levels."""
    return np.repeat(np.float32(levels), SIZE[1] // len(levels))[None, :, None] * np.ones(
        (*SIZE, 3), np.float32
    )


def test_each_part_of_a_hole_takes_the_texture_of_what_looks_like_it():
    """The image is smooth where it is dark and rough where it is bright."""
    painted = flat(60, 180)
    rough = np.random.default_rng(0).normal(0, 20, (*SIZE, 1)).astype(np.float32)
    image = painted + np.where(painted > 100, rough, 0)
    output = transfer_detail(image, ~HOLE, painted, 1.0)
    assert output[62:88, 52:84].std() < 1
    # Where patches of different places fade into each other, noise loses up to half its variance.
    assert 20 * 0.5**0.5 < output[62:88, 116:148].std() < 20
    assert output[62:88, 116:148].mean() == pytest.approx(180, abs=2)


def test_the_best_place_is_not_repeated_all_over_a_smooth_hole():
    """Only one column of the image has exactly the color of the hole, which is flat."""
    known = np.arange(SIZE[1]) < 90
    image = np.broadcast_to(np.linspace(90, 130, SIZE[1])[:, None], (*SIZE, 3)).astype(np.float32)
    image = image + np.random.default_rng(0).normal(0, 20, (*SIZE, 1)).astype(np.float32)
    output = transfer_detail(image, np.broadcast_to(known, SIZE), flat(100), 1.0)
    detail = output[20:130, 110:190, 0] - 100
    repeated = np.mean(detail[:, 12:] * detail[:, :-12]) / detail.var()
    assert detail.std() > 10 and repeated < 0.5


@pytest.mark.parametrize("strength", [0.3, 1.0])
def test_a_wrong_color_becomes_half_right(strength):
    output = transfer_detail(flat(100), ~HOLE, flat(120), strength)
    np.testing.assert_allclose(output[DEEP], 120 - strength * 10, atol=0.1)


def test_detail_of_its_own_is_replaced_where_the_hole_is_deep():
    own = np.random.default_rng(0).normal(0, 10, (*SIZE, 3)).astype(np.float32)
    painted = flat(100) + own
    output = transfer_detail(flat(100), ~HOLE, painted, 1.0)
    assert output[DEEP].std() < 2
    edge = (slice(50, 51), slice(52, 148))  # a pixel's depth is 1 there
    assert (output - 100)[edge].std() == pytest.approx(own[edge].std() * 5 / 6, rel=0.1)


@pytest.mark.parametrize("under", [0.0, np.nan])
def test_only_holes_change_and_what_is_under_them_is_not_read(under):
    generator = np.random.default_rng(0)
    image = generator.uniform(0, 255, (*SIZE, 3)).astype(np.float32)
    painted = generator.uniform(0, 255, (*SIZE, 3)).astype(np.float32)
    before = transfer_detail(image, ~HOLE, painted, 0.8)
    image[HOLE] = under
    output = transfer_detail(image, ~HOLE, painted, 0.8)
    np.testing.assert_array_equal(output, before)
    np.testing.assert_array_equal(output[~HOLE], painted[~HOLE])
    assert np.any(output[HOLE] != painted[HOLE])
    assert output.dtype == np.float32 and output.min() >= 0 and output.max() <= 255


@pytest.mark.parametrize(
    ("known", "strength"),
    [
        (~HOLE, 0.0),
        (np.ones(SIZE, bool), 1.0),
        (np.zeros(SIZE, bool), 1.0),
        (np.ones((9, 200), bool) & (np.arange(200) > 9), 1.0),
    ],
)
def test_with_nothing_to_do_or_to_give_it_is_the_painting_itself(known, strength):
    painted = np.full((*known.shape, 3), 100, np.float32)
    assert transfer_detail(np.zeros_like(painted), known, painted, strength) is painted

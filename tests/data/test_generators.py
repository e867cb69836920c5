"""The mask generators of other projects: what they draw, and within which shares."""

import itertools

import cv2
import numpy as np
import pytest

from madf_jax.data.comodgan_masks import COMODGAN
from madf_jax.data.generators import GENERATORS, STROKES, PublishedMasks
from madf_jax.data.holes import draw_within, with_area
from madf_jax.data.lama_masks import LAMA
from madf_jax.data.masks import make_generator
from madf_jax.data.options import MaskOptions
from madf_jax.errors import UserError

PUBLISHED = [name for name in GENERATORS if name != STROKES]
BOUNDS = [(0.1, 0.4), (0.01, 0.1), (0.5, 0.6)]


def share(mask):
    return 1 - mask.mean()


def draw(name, count, size=64, seed=0, **options):
    masks = make_generator(MaskOptions(generator=name, **options))
    rng = np.random.default_rng(seed)
    return [masks(rng, size) for _ in range(count)]


@pytest.mark.parametrize("bounds", BOUNDS)
@pytest.mark.parametrize("name", GENERATORS)
def test_every_share_lies_within_the_wanted_range(name, bounds):
    drawn = draw(name, 30, hole_min=bounds[0], hole_max=bounds[1])
    assert all(m.shape == (64, 64, 1) and m.dtype == np.uint8 for m in drawn)
    assert all(set(np.unique(m)) == {0, 1} for m in drawn)
    shares = [share(m) for m in drawn]
    assert bounds[0] <= min(shares) and max(shares) <= bounds[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", GENERATORS)
def test_two_thousand_shares_lie_within_the_default_range_and_spread_over_it(name):
    shares = np.array([share(m) for m in draw(name, 2000, size=256)])
    assert 0.1 <= shares.min() < 0.11 and 0.2 < shares.max() <= 0.4
    assert np.mean(np.isclose(shares, 0.1, atol=2e-5) | np.isclose(shares, 0.4, atol=2e-5)) < 0.01


@pytest.mark.parametrize("name", PUBLISHED)
def test_masks_depend_on_the_seed_alone(name):
    first, again, other = (np.stack(draw(name, 3, seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.parametrize("name", LAMA)
def test_masks_within_a_range_are_those_of_all_masks_that_are(name):
    """A range selects and does not distort."""
    rng, found = np.random.default_rng(5), []
    while len(found) < 8:
        hole = LAMA[name](rng, 64)
        if 0.2 <= hole.mean() <= 0.4:
            found.append(1 - hole[..., None])
    np.testing.assert_array_equal(found, draw(name, 8, seed=5, hole_min=0.2, hole_max=0.4))


@pytest.mark.parametrize("name", PUBLISHED)
def test_lengths_scale_with_the_image(name):
    """At twice the size of its preset a generator draws the same masks, enlarged."""
    preset = {**LAMA, **COMODGAN}[name]
    small, large = (
        [preset(np.random.default_rng(seed), size).mean() for seed in range(200)]
        for size in (128, 256)
    )
    assert np.mean(small) == pytest.approx(np.mean(large), rel=0.15)


def is_union_of_boxes(hole):
    """Whether each part of a hole has corners of right angles only: no slanted border."""
    kernel = np.array([[1, 0], [0, 1]], np.float32)
    diagonal = cv2.filter2D(hole.astype(np.float32), -1, kernel)
    outline = cv2.findContours(hole, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]
    points = sum(len(part) for part in outline)
    return diagonal.max() == 2 and points <= 40


def test_a_lama_mask_is_strokes_or_boxes():
    kinds = [
        is_union_of_boxes(LAMA["lama_medium_256"](np.random.default_rng(seed), 256))
        for seed in range(200)
    ]
    assert 0.15 < np.mean(kinds) < 0.4  # 0.3 / 1.3 are boxes
    thin = [LAMA["lama_thin_256"](np.random.default_rng(seed), 256) for seed in range(100)]
    assert not any(map(is_union_of_boxes, thin))


def test_boxes_keep_their_margin_and_their_sides():
    preset = LAMA["lama_thick_512"]
    for seed in range(40):
        hole = np.zeros((512, 512), np.uint8)
        preset._draw_box(np.random.default_rng(seed), hole)
        rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
        assert hole.sum() == len(rows) * len(columns)
        assert all(30 <= len(side) <= 300 for side in (rows, columns))
        assert min(rows[0], columns[0]) >= 10 and max(rows[-1], columns[-1]) < 502


def test_thick_thin_and_small_are_what_they_are_called():
    def mean_width(name):
        holes = [1 - mask[..., 0] for mask in draw(name, 20, size=256)]
        return np.mean([cv2.distanceTransform(hole, cv2.DIST_L2, 3).max() for hole in holes])

    thick, medium, thin = (mean_width(f"lama_{kind}_256") for kind in ("thick", "medium", "thin"))
    assert thick > 1.3 * medium > 1.3 * 1.3 * thin
    for size in (256, 512):
        large, small = (
            np.mean([COMODGAN[f"comodgan_{kind}{size}"](rng, 64).mean() for _ in range(200)])
            for kind in ("", "small_")
            for rng in [np.random.default_rng(0)]
        )
        assert large > 1.4 * small


def test_a_hole_that_is_never_drawn_is_grown_or_shrunk():
    def speck(rng, size):
        return np.pad(np.ones((4, 4), np.uint8), (0, size - 4))

    rng = np.random.default_rng(0)
    hole = draw_within(speck, rng, 32, (100, 200), tries=3)
    assert hole.sum() == 100 and hole[:4, :4].all()
    assert draw_within(lambda rng, size: speck(rng, size) * 0, rng, 32, (1, 9), tries=3).sum() == 1
    np.testing.assert_array_equal(with_area(speck(rng, 32), 1, 99), speck(rng, 32))


def test_no_more_holes_are_drawn_than_needed():
    calls = itertools.count()

    def once(rng, size):
        next(calls)
        return np.ones((size, size), np.uint8)

    draw_within(once, np.random.default_rng(0), 8, (1, 64), tries=9)
    assert next(calls) == 1


def test_what_checkpoints_hold_of_a_generator():
    """A resumed run compares these texts: those of earlier versions must stay as they were."""
    assert repr(make_generator(MaskOptions())) == (
        "StrokesAndBoxes(hole_min=0.1, hole_max=0.4, strokes=(1, 5), stroke_width=(0.05, 0.15), "
        "boxes=(0, 2), box_side=(0.1, 0.4))"
    )
    assert repr(make_generator(MaskOptions(generator="lama_thin_512", hole_max=0.5))) == (
        "PublishedMasks(generator='lama_thin_512', hole_min=0.1, hole_max=0.5)"
    )
    assert PublishedMasks("lama_thin_512").name(3) == "generated-3"


def test_an_unknown_generator_is_refused_with_those_there_are():
    with pytest.raises(UserError, match=r"masks\.generator is 'lama'; use 'strokes', 'lama_thick"):
        MaskOptions(generator="lama")

"""Overlapping tiles."""

import numpy as np
import pytest

from madf_jax.inference.tiles import Blend, find_tiles


@pytest.mark.parametrize("size", [(1, 1), (256, 256), (257, 900), (1000, 300), (513, 512)])
def test_tiles_cover_the_image_on_the_grid_and_overlap(size):
    tile, overlap, multiple = 256, 128, 16
    boxes = find_tiles(size, tile, overlap, multiple)
    count = np.zeros(size, int)
    for rows, columns in boxes:
        assert rows.start % multiple == columns.start % multiple == 0
        assert rows.stop - rows.start <= tile and columns.stop - columns.start <= tile
        count[rows, columns] += 1
    assert count.min() >= 1
    starts = sorted({rows.start for rows, _ in boxes})
    stops = sorted({rows.stop for rows, _ in boxes})
    for start, stop in zip(starts[1:], stops[:-1], strict=True):
        assert stop - start >= overlap
    assert len(boxes) == 1 or max(size) > tile


def test_tiles_but_the_last_are_full():
    boxes = find_tiles((256, 1000), 256, 128, 16)
    widths = [columns.stop - columns.start for _, columns in boxes]
    assert widths[:-1] == [256] * (len(widths) - 1)
    assert 240 < widths[-1] <= 256


def test_equal_tiles_blend_to_the_same():
    size, overlap = (300, 500), 128
    blend, image = Blend(size, overlap), np.random.default_rng(0).random((*size, 3), np.float32)
    for box in find_tiles(size, 256, overlap, 16):
        blend.add(box, image[box])
    np.testing.assert_allclose(blend.result(), image, rtol=1e-5)


def test_a_step_between_tiles_becomes_a_ramp_and_their_edges_do_not_count():
    blend = Blend((8, 400), 128)
    blend.add((slice(0, 8), slice(0, 256)), np.zeros((8, 256, 3), np.float32))
    blend.add((slice(0, 8), slice(128, 400)), np.ones((8, 272, 3), np.float32))
    row = blend.result()[4, :, 0]
    np.testing.assert_array_equal(row[:160], 0)
    np.testing.assert_array_equal(row[224:], 1)
    assert np.all(np.diff(row[160:224]) > 0) and np.diff(row).max() < 1 / 60


def test_one_tile_is_the_image_itself():
    blend, image = Blend((8, 9), 128), np.ones((8, 9, 3), np.float32)
    blend.add((slice(0, 8), slice(0, 9)), image)
    assert blend.result() is image


def test_where_no_tile_was_added_there_is_nothing():
    np.testing.assert_array_equal(Blend((8, 9), 128).result(), np.zeros((8, 9, 3)))
    assert Blend((8, 9), 128).result().shape == (8, 9, 3)

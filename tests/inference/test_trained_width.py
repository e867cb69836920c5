"""How wide the holes of a training were."""

import pytest

from madf_jax.inference.trained_width import trained_width


def metadata(size=64, **masks):
    return {"config": {"data": {"size": size}, "masks": masks}}


def test_what_is_stated_counts():
    assert trained_width({"trained_hole_width": 37, **metadata()}) == 37


@pytest.mark.parametrize("stated", [0, -3, "wide", None, [5], float("nan")])
def test_nonsense_does_not(stated):
    assert trained_width({"trained_hole_width": stated}) == 100


def test_drawn_masks_are_measured_and_scale_with_the_size():
    width = trained_width(metadata(64))
    assert 15 < width < 25
    assert trained_width(metadata(512)) == pytest.approx(8 * width)


def test_boxes_of_one_size_by_hand():
    box = {"strokes": [0, 0], "boxes": [1, 1], "box_side": [0.5, 0.5], "hole_min": 0.2}
    assert trained_width(metadata(200, **box)) == pytest.approx(100, rel=0.6)
    assert trained_width(metadata(200, **box)) >= 100  # wider still at the border


def test_a_folder_of_masks_is_taken_for_the_published_ones():
    assert trained_width(metadata(256, source="folder")) == 50


@pytest.mark.parametrize(
    "metadata",
    [{}, {"config": {}}, {"config": {"data": {"size": 64}}}, metadata(hue=3), metadata(strokes=7)],
)
def test_without_a_config_of_this_version_the_published_masks_count(metadata):
    assert trained_width(metadata) == 100

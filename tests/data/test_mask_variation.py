"""Random changes of mask files: each by its effect on a mask with one square hole."""

import numpy as np
import pytest
from PIL import Image

from madf_jax.data.mask_folder import MaskFolder
from madf_jax.data.mask_variation import MaskVariation
from madf_jax.data.masks import open_masks
from madf_jax.data.options import MaskOptions

SIZE = 100


def square(side):
    """A hole in the middle half of each side, uint8 (side, side, 1), 1 = known."""
    mask = np.ones((side, side, 1), np.uint8)
    mask[side // 4 : side - side // 4, side // 4 : side - side // 4] = 0
    return mask


def vary(seed=0, read=square, **changes):
    return MaskVariation(**changes)(read, np.random.default_rng(seed), SIZE)


def test_by_default_nothing_changes_and_nothing_is_drawn():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(MaskVariation()(square, rng, SIZE), square(SIZE))
    assert rng.random() == np.random.default_rng(0).random()


def test_a_brush_along_the_hole_widens_it_by_half_of_its_width():
    hole = 1 - vary(dilate=(0.1, 0.1))[..., 0]
    assert np.flatnonzero(hole.any(0)).tolist() == list(range(20, 80))
    assert not hole[20, 20] and hole[20, 50]  # a round brush
    known = vary(dilate=(0.1, 0.1), read=lambda side: np.ones((side, side, 1), np.uint8))
    assert known.all()
    widths = {int(1000 * vary(seed, dilate=(0.0, 0.2)).mean()) for seed in range(9)}
    assert len(widths) > 5


def test_a_shift_keeps_the_share_and_its_bound():
    shifts = set()
    for seed in range(40):
        mask = vary(seed, translate=0.1)
        assert mask.mean() == square(SIZE).mean()
        shifts.add(int(np.flatnonzero((mask == 0).any(1))[0]) - 25)
    assert min(shifts) >= -10 and max(shifts) <= 10 and min(shifts) < -5 and max(shifts) > 5


def test_a_part_is_cut_from_a_mask_that_is_read_so_large():
    asked = []

    def read(side):
        asked.append(side)
        return square(side)

    drawn = [vary(seed, read, crop=(0.5, 0.5)) for seed in range(20)]
    assert set(asked) == {200} and all(mask.shape == (SIZE, SIZE, 1) for mask in drawn)
    assert len({mask.tobytes() for mask in drawn}) == 20
    assert any(mask[0, 0, 0] == 0 for mask in drawn)
    vary(0, read, crop=(0.4, 1.0))
    assert 100 <= asked[-1] <= 250


@pytest.fixture
def folder(tmp_path):
    gray = np.full((64, 64), 255, np.uint8)
    gray[16:48, 16:48] = 0
    gray[16:48, 10:16] = 140  # hole or not, by the threshold
    Image.fromarray(gray).save(tmp_path / "0.png")
    return tmp_path


def test_the_keys_of_the_config_reach_the_masks(folder):
    options = MaskOptions(
        source="folder",
        train_path=str(folder),
        rotate_degrees=0,
        flip=False,
        threshold=153,
        dilate=(0.25, 0.25),
    )
    mask = open_masks(options)(np.random.default_rng(0), 64)
    assert np.flatnonzero((mask == 0).any(0)[:, 0]).tolist() == list(range(2, 56))
    columns = [
        np.flatnonzero((MaskFolder(folder, threshold=level).read(0, 64) == 0).any(0)).tolist()
        for level in (139, 140)
    ]
    assert columns == [list(range(16, 48)), list(range(10, 48))]


def test_checkpoints_hold_the_changes_only_if_there_are_any(folder):
    plain = repr(MaskFolder(folder))
    assert plain.endswith("hole='black', rotate_degrees=10.0, flip=True, paired=False)")
    changed = MaskFolder(folder, threshold=153, variation=MaskVariation(crop=(0.5, 1.0)))
    assert repr(changed) == plain[:-1] + (
        ", threshold=153, variation=MaskVariation(dilate=(0.0, 0.0), translate=0.0, "
        "crop=(0.5, 1.0)))"
    )


@pytest.mark.parametrize("key", ["dilate", "crop"])
def test_a_range_the_wrong_way_round_is_refused(key):
    with pytest.raises(ValueError, match=rf"masks\.{key} is \(0\.5, 0\.2\); use \(LEAST, GREAT"):
        MaskOptions(**{key: (0.5, 0.2)})

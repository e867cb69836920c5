import numpy as np
import pytest
from PIL import Image

from madf_jax.data.mask_folder import MaskFolder
from madf_jax.data.masks import open_masks
from madf_jax.data.options import MaskOptions
from madf_jax.data.strokes import StrokesAndBoxes
from madf_jax.errors import UserError


def share(mask):
    return 1 - mask.mean()


@pytest.mark.parametrize("size", [64, 256])
def test_generated_share_always_lies_inside_the_bounds(size):
    masks = StrokesAndBoxes()
    drawn = [masks(np.random.default_rng(seed), size) for seed in range(200)]
    assert all(m.shape == (size, size, 1) and m.dtype == np.uint8 for m in drawn)
    assert all(set(np.unique(m)) == {0, 1} for m in drawn)
    shares = [share(m) for m in drawn]
    assert min(shares) >= 0.1 and max(shares) <= 0.4
    assert np.std(shares) > 0.05  # spread over the range, not forced to its ends


@pytest.mark.parametrize(
    "settings",
    [
        {"hole_min": 0.01, "hole_max": 0.02},
        {"hole_min": 0.3, "hole_max": 0.31},
        {"hole_min": 0.9, "hole_max": 1.0},
        {"strokes": (0, 0), "boxes": (0, 1), "box_side": (0.01, 0.02)},
        {"strokes": (0, 1), "boxes": (0, 0), "stroke_width": (0, 0)},
        {"boxes": (2, 2), "box_side": (1, 1)},
    ],
)
@pytest.mark.parametrize("size", [16, 64])
def test_hard_settings_still_end_inside_the_bounds(settings, size):
    masks = StrokesAndBoxes(**settings)
    shares = [share(masks(np.random.default_rng(seed), size)) for seed in range(30)]
    assert masks.hole_min <= min(shares) and max(shares) <= masks.hole_max


def test_generator_depends_on_the_seed_alone():
    masks = StrokesAndBoxes()
    first, again, other = (masks(np.random.default_rng(seed), 64) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_boxes_alone_are_a_rectangle():
    masks = StrokesAndBoxes(strokes=(0, 0), boxes=(1, 1), box_side=(0.5, 0.5))
    hole = 1 - masks(np.random.default_rng(0), 64)[..., 0]
    rows, columns = np.flatnonzero(hole.any(1)), np.flatnonzero(hole.any(0))
    assert len(rows) == len(columns) == 32 and hole.sum() == 32 * 32


def test_stroke_width_is_a_share_of_the_side():
    masks = StrokesAndBoxes(0.001, 1, strokes=(1, 1), stroke_width=(0.1, 0.1), boxes=(0, 0))
    small, large = (share(masks(np.random.default_rng(3), size)) for size in (64, 512))
    assert small == pytest.approx(large, rel=0.2)


@pytest.fixture
def folder(tmp_path):
    gray = np.full((100, 100), 255, np.uint8)
    gray[:, :10] = 0
    Image.fromarray(gray).save(tmp_path / "0.png")
    return tmp_path


def test_open_masks_takes_every_setting(folder):
    options = MaskOptions(hole_min=0.2, strokes=[2, 3], boxes=[0, 0])
    expected = StrokesAndBoxes(hole_min=0.2, strokes=(2, 3), boxes=(0, 0))
    assert repr(open_masks(options)) == repr(expected)
    options = MaskOptions(source="folder", train_path=str(folder), hole="white", flip=False)
    assert repr(open_masks(options)) == repr(MaskFolder(folder, "white", flip=False))


def test_open_masks_takes_each_side_from_its_own_folder(folder):
    options = MaskOptions(source="folder", evaluation_path=str(folder))
    assert open_masks(options, images=["a.png"]).name(0) == "0.png"
    with pytest.raises(UserError, match=r"masks\.train_path"):
        open_masks(options)

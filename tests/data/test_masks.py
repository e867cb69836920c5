import numpy as np
import pytest
from PIL import Image

from madf_jax.data.masks import MaskFolder, StrokesAndBoxes, open_masks
from madf_jax.data.options import MaskOptions
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
    assert np.std(shares) > 0.05  # spread over the range, not mended to its ends


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
    """Three masks with a black bar of 10, 20 and 30 % at the left, beside white."""
    for i, columns in enumerate((10, 20, 30)):
        gray = np.full((100, 100), 255, np.uint8)
        gray[:, :columns] = 0
        Image.fromarray(gray).save(tmp_path / f"{i}.png")
    return tmp_path


def test_paired_masks_follow_the_index_untouched(folder):
    masks = MaskFolder(folder, paired=True)
    rng = np.random.default_rng(0)
    shares = [share(masks(rng, 100, index)) for index in range(6)]
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.3] * 2)
    assert (masks(rng, 100, 0)[:, :10] == 0).all()
    assert rng.random() == np.random.default_rng(0).random()  # nothing was drawn


def test_white_holes_are_the_opposite(folder):
    black, white = (MaskFolder(folder, hole, paired=True) for hole in ("black", "white"))
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(black(rng, 64, 1), 1 - white(rng, 64, 1))


def test_drawn_masks_are_any_of_the_folder_mirrored_half_the_time(folder):
    masks = MaskFolder(folder, rotate_degrees=0)
    drawn = [masks(np.random.default_rng(seed), 50) for seed in range(60)]
    assert {round(share(m), 2) for m in drawn} == {0.1, 0.2, 0.3}
    assert 15 < sum(int(m[0, 0, 0]) for m in drawn) < 45  # hole at the right


def test_without_flip_nothing_is_mirrored(folder):
    masks = MaskFolder(folder, rotate_degrees=0, flip=False)
    assert not any(masks(np.random.default_rng(seed), 50)[0, 0, 0] for seed in range(20))


def test_corners_become_hole_when_a_mask_is_turned(tmp_path):
    known = Image.new("L", (64, 64), 255)
    known.putpixel((10, 32), 0)
    known.save(tmp_path / "known.png")
    turned = [MaskFolder(tmp_path)(np.random.default_rng(s), 64)[..., 0] for s in range(20)]
    assert all(m[32, 32] == 1 and share(m) < 0.2 for m in turned)
    assert max(share(m) for m in turned) > 0.03
    assert min(m[[0, 0, -1, -1], [0, -1, 0, -1]].sum() for m in turned) == 0


def test_a_folder_that_is_nearly_all_hole_is_warned_about(folder, tmp_path, caplog):
    Image.new("L", (64, 64), 255).save(folder / "0.png")  # with white holes: all hole
    MaskFolder(folder, "black")
    assert not caplog.records
    MaskFolder(folder, "white")
    (record,) = caplog.records
    assert "white is taken as the hole" in record.getMessage()
    assert "masks.hole = 'black'" in record.getMessage()


def test_a_folder_without_a_hole_is_refused(tmp_path):
    Image.new("L", (64, 64), 255).save(tmp_path / "0.png")
    with pytest.raises(UserError, match=r"none of 1 masks .* set masks\.hole = 'white'"):
        MaskFolder(tmp_path)


def test_broken_mask_is_named(folder):
    (folder / "1.png").write_text("no mask")
    with pytest.raises(
        UserError, match=r"1\.png: not a JPEG.*no mask is skipped: mend or remove it"
    ):
        MaskFolder(folder)


def test_open_masks_hands_every_setting_on(folder):
    options = MaskOptions(hole_min=0.2, strokes=[2, 3], boxes=[0, 0])
    expected = StrokesAndBoxes(hole_min=0.2, strokes=(2, 3), boxes=(0, 0))
    assert repr(open_masks(options, training=True)) == repr(expected)
    options = MaskOptions(source="folder", evaluation_path=str(folder), hole="white")
    assert "hole='white'" in repr(open_masks(options, training=False))
    assert "paired=True" in repr(open_masks(options, training=False))
    with pytest.raises(UserError, match=r"masks\.train_path"):
        open_masks(options, training=True)

import logging as std_logging
import os
import pickle

import numpy as np
import pytest
from absl import logging
from PIL import Image

from madf_jax.data.mask_folder import MaskFolder, PairedMasks
from madf_jax.data.sources import PhotoSource
from madf_jax.errors import UserError


def share(mask):
    return 1 - mask.mean()


@pytest.fixture
def log(caplog):
    """All lines, information too."""
    logging.set_verbosity(logging.INFO)
    caplog.set_level(std_logging.INFO)
    return lambda: [record.getMessage() for record in caplog.records]


@pytest.fixture
def folder(tmp_path):
    """Three masks with a black bar of 10, 20 and 30 % at the left, beside white."""
    for i, columns in enumerate((10, 20, 30)):
        gray = np.full((100, 100), 255, np.uint8)
        gray[:, :columns] = 0
        Image.fromarray(gray).save(tmp_path / f"{i}.png")
    return tmp_path


def test_white_holes_are_the_opposite(folder):
    black, white = (MaskFolder(folder, hole) for hole in ("black", "white"))
    np.testing.assert_array_equal(black.read(1, 64), 1 - white.read(1, 64))
    assert share(black.read(1, 50)) == pytest.approx(0.2)


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


def test_the_text_that_checkpoints_hold_stays_as_it_was(folder):
    masks = MaskFolder(folder, "white", 5.0, flip=False)
    text = "MaskFolder(masks=3, names='70bce11e0b24', hole='white', rotate_degrees=5.0, flip=False"
    assert repr(masks) == repr(pickle.loads(pickle.dumps(masks))) == f"{text}, paired=False)"


def test_a_folder_that_is_nearly_all_hole_is_warned_about(folder, caplog):
    Image.new("L", (64, 64), 255).save(folder / "0.png")  # with white holes: all hole
    MaskFolder(folder, "black")
    assert not caplog.records
    MaskFolder(folder, "white")
    (record,) = caplog.records
    assert "white marks the hole" in record.getMessage()
    assert "masks.hole = 'black'" in record.getMessage()


@pytest.mark.parametrize("hole", ["black", "white"])
@pytest.mark.parametrize("values", [[0], [255], [0, 255], [7, 3]])
def test_masks_of_one_color_each_are_refused_without_advice_that_leads_back(tmp_path, hole, values):
    for index, value in enumerate(values):
        Image.new("L", (64, 64), value).save(tmp_path / f"{index}.png")
    with pytest.raises(UserError, match=r"none of the \d masks inspected has both") as caught:
        MaskFolder(tmp_path, hole, key="masks.train_path")
    message = str(caught.value)
    white = sum(value > 127 for value in values)
    assert f"{white} are all white" in message or f"{white} all white" in message
    assert f"masks.train_path={tmp_path}: " in message and "set masks.hole" not in message
    assert f"0.png has the gray levels {values[0]} (100.0 %)" in message


def test_a_small_hole_in_a_large_mask_is_seen(tmp_path):
    mask = Image.new("L", (640, 640), 255)
    mask.putpixel((3, 3), 0)
    mask.save(tmp_path / "0.png")
    assert len(MaskFolder(tmp_path)) == 1


def test_how_unusual_masks_are_read_is_logged_once(tmp_path, log):
    for index in range(3):
        values = np.zeros((16, 16), np.uint8)
        values[: 4 + index] = 1
        Image.fromarray(values).save(tmp_path / f"{index}.png")
    masks = MaskFolder(tmp_path, "white", key="masks.train_path")
    assert [share(masks.read(index, 16)) for index in range(3)] == [4 / 16, 5 / 16, 6 / 16]
    lines = [line for line in log() if "values 0 and 1" in line]
    assert lines == [
        f"masks.train_path={tmp_path}/0.png and masks like it are read as values 0 and 1: 0 is "
        "black, 1 is white"
    ]


def test_photographs_among_masks_are_reported(folder, caplog):
    Image.fromarray(PhotoSource("train")[0]).save(folder / "9\nphoto.png")
    MaskFolder(folder)
    (record,) = caplog.records
    assert "1 of 4 masks inspected have as many gray levels as photographs" in record.getMessage()
    assert r"9\nphoto.png" in record.getMessage()


@pytest.mark.parametrize("make", [lambda path: path.write_text("no mask"), os.mkfifo])
def test_a_bad_mask_is_named_and_never_skipped(folder, make):
    (folder / "1.png").unlink()
    make(folder / "1.png")
    with pytest.raises(UserError, match=r"1\.png: .*masks are never skipped: fix or remove it"):
        MaskFolder(folder)


def test_how_many_masks_there_are_is_logged(folder, log):
    (folder / "notes.txt").touch()
    MaskFolder(folder, key="masks.train_path")
    left_out = "left out: 1 file of other types (1 .txt)"
    assert log() == [f"masks.train_path={folder}: 3 masks; {left_out}"]


def test_paired_masks_follow_the_index_untouched_where_no_name_corresponds(folder, caplog):
    masks = PairedMasks(MaskFolder(folder), ["x", "y", "z", "w"])
    rng = np.random.default_rng(0)
    shares = [share(masks(rng, 100, index)) for index in range(6)]
    np.testing.assert_allclose(shares, [0.1, 0.2, 0.3] * 2)
    assert [masks.name(index) for index in range(6)] == ["0.png", "1.png", "2.png"] * 2
    assert (masks(rng, 100, 0)[:, :10] == 0).all()
    assert rng.random() == np.random.default_rng(0).random()  # nothing was drawn
    (record,) = caplog.records
    assert "4 of 4 images have no mask of their name" in record.getMessage()


def test_masks_are_paired_by_name_and_images_without_one_by_order(folder, caplog, log):
    (folder / "1.png").rename(folder / "cat_mask000.png")
    (folder / "2.png").rename(folder / "cat_mask001.png")
    masks = PairedMasks(MaskFolder(folder), ["bird.jpg", "cat.jpg"])
    names = [masks.name(index) for index in range(6)]
    assert names[1::2] == ["cat_mask000.png", "cat_mask001.png", "cat_mask000.png"]
    assert names[0::2] == ["0.png", "cat_mask001.png", "cat_mask000.png"]
    assert "1 of 2 images have no mask of their name" in log()[-1] and "bird.jpg" in log()[-1]
    caplog.clear()
    PairedMasks(MaskFolder(folder), ["cat.jpg", "0.jpg"])
    assert log()[-1].endswith(": each image has a mask of its name")

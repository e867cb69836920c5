import logging as std_logging
import os

import numpy as np
import pytest
from absl import logging
from PIL import Image

from madf_jax.data import folder_source
from madf_jax.data.folder_source import FolderSource
from madf_jax.data.options import ImageOptions
from madf_jax.data.sources import open_images
from madf_jax.errors import UserError

TRUNCATED = "sub/cut.jpg"
BAD = {TRUNCATED: "truncated", "text.png": "not a JPEG", "tiny.png": "shorter side is 1, below 32"}


@pytest.fixture
def folder(tmp_path):
    """Three good images, one per color, and three bad ones."""
    (tmp_path / "sub").mkdir()
    Image.new("RGB", (40, 60), "red").save(tmp_path / "a.png")
    Image.new("RGB", (60, 40), "lime").save(tmp_path / "sub/b.PNG")
    Image.new("RGB", (50, 50), "blue").save(tmp_path / "z.bmp")
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / TRUNCATED)
    encoded = (tmp_path / TRUNCATED).read_bytes()
    (tmp_path / TRUNCATED).write_bytes(encoded[: len(encoded) // 2])
    (tmp_path / "text.png").write_text("no image")
    Image.new("RGB", (1, 1)).save(tmp_path / "tiny.png")
    return tmp_path


def colors(source):
    return [tuple(source[i][20, 20]) for i in range(len(source))]


RED, LIME, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def test_bad_files_are_skipped_with_one_warning_that_names_them(folder, caplog):
    source = FolderSource(folder, bad_files="skip")
    assert source.names == ["a.png", "sub/b.PNG", "z.bmp"]
    assert colors(source) == [RED, LIME, BLUE]
    (record,) = caplog.records
    assert "3 of 6 images can't be used" in record.getMessage()
    assert all(f"{name}: " in record.getMessage() for name in BAD)
    assert all(reason in record.getMessage() for reason in BAD.values())


def test_bad_files_are_refused_with_the_same_text(folder):
    with pytest.raises(UserError, match="3 of 6 images can't be used") as caught:
        FolderSource(folder, bad_files="refuse")
    assert all(f"{name}: " in str(caught.value) for name in BAD)
    assert "data.bad_files = 'skip'" in str(caught.value)


def test_long_lists_of_bad_files_are_cut(folder, caplog):
    for i in range(30):
        (folder / f"bad{i:02}.png").write_text("no image")
    FolderSource(folder)
    message = caplog.records[0].getMessage()
    assert "33 of 36" in message and "bad19.png" in message and "bad20.png" not in message
    assert "and 13 more" in message


def test_header_check_finds_all_but_the_truncated(folder, caplog):
    source = FolderSource(folder, check="header")
    assert source.names == ["a.png", "sub/b.PNG", TRUNCATED, "z.bmp"]
    caplog.clear()
    assert colors(source) == [RED, LIME, BLUE, BLUE]  # the next readable one
    assert colors(source) == [RED, LIME, BLUE, BLUE]
    assert [TRUNCATED in r.getMessage() for r in caplog.records] == [True]  # once, not twice


def test_header_check_refuses_at_reading(folder):
    for name in ("text.png", "tiny.png"):
        (folder / name).unlink()
    source = FolderSource(folder, bad_files="refuse", check="header")
    with pytest.raises(UserError, match=f"{TRUNCATED}: .*truncated"):
        source[2]


def test_folder_without_a_usable_image_is_refused(folder):
    for name in ("a.png", "sub/b.PNG", "z.bmp"):
        (folder / name).unlink()
    with pytest.raises(UserError, match=r"3 of 3 images can't be used.*; fix them or name another"):
        FolderSource(folder, bad_files="skip")
    with pytest.raises(UserError, match=r"none of its 1 images"):
        (folder / "text.png").unlink()
        FolderSource(folder, check="header")[0]


def test_what_is_found_and_left_out_is_logged(folder, caplog):
    logging.set_verbosity(logging.INFO)
    caplog.set_level(std_logging.INFO)
    (folder / "notes.txt").touch()
    FolderSource(folder, key="data.train_path")
    assert caplog.records[-1].getMessage() == (
        f"data.train_path={folder}: 3 images; left out: 3 images that can't be used, "
        "1 file of other types (1 .txt)"
    )


def test_what_is_no_file_is_a_bad_file_that_nobody_waits_for(folder):
    os.mkfifo(folder / "fifo.png")
    assert len(FolderSource(folder, check="decode")) == 3
    assert len(FolderSource(folder, check="header")) == 4
    with pytest.raises(UserError, match=r"fifo\.png: is a FIFO, socket or device"):
        FolderSource(folder, bad_files="refuse")


def test_an_image_that_may_not_be_read_has_the_systems_reason(folder, caplog, monkeypatch):
    read = folder_source.read_image

    def denied(path, name, **more):
        if name == "a.png":
            path = path.parent / ("n" * 300)
        return read(path, name, **more)

    monkeypatch.setattr(folder_source, "read_image", denied)
    assert len(FolderSource(folder)) == 2
    assert "a.png: File name too long; " in caplog.text


def test_want_of_memory_skips_no_image(folder, monkeypatch):
    source = FolderSource(folder)

    def load(self):
        raise MemoryError

    monkeypatch.setattr(Image.Image, "load", load)
    for read in (lambda: source[0], lambda: FolderSource(folder)):
        with pytest.raises(UserError, match="out of memory while decoding it"):
            read()


def test_a_name_cannot_forge_a_log_line(folder, caplog):
    (folder / "evil\x1b[2J\nheartbeat: 9.png").write_text("no image")
    source = FolderSource(folder, check="header")
    (folder / "a.png").rename(folder / "b\n.png")
    source[0]
    FolderSource(folder)
    assert len(caplog.records) == 3 and r"evil\x1b[2J\nheartbeat" in caplog.text
    assert not any(set("\n\x1b") & set(record.getMessage()) for record in caplog.records)


def test_masks_beside_images_are_not_trained_on(tmp_path):
    for name in ("cat.png", "cat_mask001.png", "dog.png", "dog_mask001.png"):
        Image.new("RGB", (40, 40)).save(tmp_path / name)
    assert FolderSource(tmp_path).names == ["cat.png", "dog.png"]


@pytest.mark.parametrize("path", ["gs://bucket/images", "~nobody-of-this-name/images"])
def test_paths_that_are_no_local_ones_are_refused(path):
    with pytest.raises(UserError, match=r"^data\.train_path="):
        open_images(ImageOptions(source="folder", train_path=path), training=True)


def test_the_users_own_folder_is_found(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder.parent))
    assert len(FolderSource(f"~/{folder.name}")) == 3


def test_representation_outlives_a_move_but_not_a_change(folder, tmp_path_factory):
    before = repr(FolderSource(folder))
    moved = folder.rename(tmp_path_factory.mktemp("elsewhere") / "images")
    assert repr(FolderSource(moved)) == before
    (moved / "a.png").rename(moved / "c.png")
    assert repr(FolderSource(moved)) != before


def test_too_large_a_share_of_bad_files_is_refused_at_the_start(folder):
    with pytest.raises(UserError, match=r"3 of 6 images can't.*data\.max_bad_share=0\.4; fix"):
        FolderSource(folder, bad_files="skip", max_bad_share=0.4)
    assert len(FolderSource(folder, bad_files="skip", max_bad_share=0.5)) == 3


def test_files_that_go_bad_are_named_once_counted_and_refused_past_the_share(folder, caplog):
    source = FolderSource(folder, check="header", max_bad_share=0.6)
    for name in ("a.png", "z.bmp"):
        (folder / name).write_bytes(b"gone")
    for _ in range(2):
        assert tuple(source[0][20, 20]) == LIME
    logged = [
        record.getMessage() for record in caplog.records if "bad so far" in record.getMessage()
    ]
    assert len(logged) == 1
    assert "a.png: not a JPEG" in logged[0] and "1 are bad so far" in logged[0]
    with pytest.raises(UserError, match=r"more than data\.max_bad_share=0\.6.*raise data\.max_bad"):
        [source[index] for index in range(len(source))]


def test_a_held_out_image_is_never_skipped_nor_replaced(folder):
    options = ImageOptions(source="folder", evaluation_path=str(folder), bad_files="skip")
    with pytest.raises(UserError, match=r"text\.png.*; fix or remove them: held-out images"):
        open_images(options, training=False)
    for name in BAD:
        (folder / name).unlink()
    source = open_images(options, training=False)
    (folder / "sub/b.PNG").write_bytes(b"gone")
    assert tuple(source[2][20, 20]) == BLUE
    with pytest.raises(UserError, match=r"sub/b\.PNG: not a JPEG.*held-out images"):
        source[1]


def test_open_images_takes_each_side_from_its_own_folder(folder):
    options = ImageOptions(source="folder", train_path=str(folder))
    assert len(open_images(options, training=True)) == 3
    with pytest.raises(UserError, match=r"data\.evaluation_path"):
        open_images(options, training=False)


def test_an_image_is_named_by_its_path_in_the_folder(folder):
    assert FolderSource(folder).name(1) == "sub/b.PNG"

import logging
import os

import pytest

from madf_jax.data import listing
from madf_jax.data.listing import digest, image_of_mask, list_files, list_images, list_masks
from madf_jax.errors import UserError


def touch(directory, *names):
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).touch()


def test_listing_is_recursive_sorted_and_ignores_case(tmp_path):
    touch(tmp_path, "b.PNG", "sub/deep/a.Jpeg", "a.webp", "notes.txt", "._a.webp", ".trash/c.png")
    assert list_images(tmp_path).names == ["a.webp", "b.PNG", "sub/deep/a.Jpeg"]


@pytest.mark.parametrize("suffix", ["tif", "TIFF", "jfif"])
def test_images_of_scanners_and_browsers_are_found_beside_others(tmp_path, suffix):
    touch(tmp_path, "a.png", f"b.{suffix}")
    assert list_images(tmp_path).names == ["a.png", f"b.{suffix}"]


def test_what_is_left_out_is_counted(tmp_path):
    touch(tmp_path, "a.png", "b.gif", "c.gif", "README", ".DS_Store", ".git/d.png")
    found = list_images(tmp_path)
    assert found.left_out == "3 files of other types (2 .gif; 1 without suffix), 2 hidden"
    assert found.is_complete
    (tmp_path / "alone").mkdir()
    touch(tmp_path, "alone/a.png")
    assert list_images(tmp_path / "alone").left_out == ""


def test_many_types_are_cut_short(tmp_path):
    touch(tmp_path, "a.png", *(f"x.{number}" for number in range(9)))
    assert list_images(tmp_path).left_out.endswith("; and 4 more)")


@pytest.fixture
def deny(monkeypatch):
    """Makes folders of a name unreadable, also for root."""
    scan = os.scandir

    def denied(name):
        def scandir(path):
            if os.path.basename(path) == name:
                raise PermissionError(13, "Permission denied")
            return scan(path)

        monkeypatch.setattr(listing.os, "scandir", scandir)

    return denied


def test_a_folder_that_cannot_be_listed_is_reported(tmp_path, deny, caplog):
    touch(tmp_path, "a.png", "shut/b.png", "shut/c.png")
    deny("shut")
    found = list_images(tmp_path)
    assert found.names == ["a.png"] and not found.is_complete
    assert found.left_out == "1 folder that can't be listed (shut: Permission denied)"
    found.log("here: 1 image")
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == f"here: 1 image; left out: {found.left_out}"


def test_the_folder_itself_is_refused_with_the_systems_reason(tmp_path, deny):
    touch(tmp_path, "shut/b.png", "file.png")
    deny("shut")
    for name, reason in {
        "shut": "Permission denied",
        "none": "there is no such file or directory",
        "file.png": "Not a directory",
        "n" * 300: "File name too long",
    }.items():
        with pytest.raises(UserError) as caught:
            list_images(tmp_path / name, "data.train_path")
        assert str(caught.value) == f"data.train_path={tmp_path / name}: {reason}"


def test_a_folder_without_images_says_what_was_looked_for_and_found(tmp_path):
    with pytest.raises(UserError, match=r"\.jpg .*\.tiff and found nothing"):
        list_images(tmp_path)
    touch(tmp_path, "notes.txt")
    with pytest.raises(UserError, match=r"and found 1 file of other types \(1 \.txt\)"):
        list_images(tmp_path)


def test_links_to_folders_are_followed(tmp_path):
    touch(tmp_path, "elsewhere/sub/b.png", "images/a.png")
    (tmp_path / "images/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "alias").symlink_to("images")
    for directory in ("images", "alias"):
        assert list_images(tmp_path / directory).names == ["a.png", "link/sub/b.png"]


def test_cycles_of_links_end_and_change_no_name(tmp_path):
    touch(tmp_path, "a/x.png", "b/y.png", "z.png")
    before = list_images(tmp_path).names
    (tmp_path / "a/up").symlink_to("..")
    (tmp_path / "a/other").symlink_to("../b")
    (tmp_path / "b/other").symlink_to("../a")
    (tmp_path / "self").symlink_to("self")
    found = list_images(tmp_path)
    assert found.names == before
    assert "3 links to folders listed already" in found.left_out


def test_a_folder_linked_twice_is_listed_once_under_the_first_name(tmp_path):
    touch(tmp_path, "elsewhere/x.png", "images/a.png")
    for name in ("second", "first"):
        (tmp_path / "images" / name).symlink_to("../elsewhere")
    assert list_images(tmp_path / "images").names == ["a.png", "first/x.png"]


def test_real_folders_are_listed_where_a_file_system_numbers_nothing(tmp_path, monkeypatch):
    touch(tmp_path, "a/x.png", "b/y.png", "c/d/z.png")
    same = os.stat(tmp_path)
    monkeypatch.setattr(listing.os, "stat", lambda path: same)
    assert list_images(tmp_path).names == ["a/x.png", "b/y.png", "c/d/z.png"]


def test_links_to_files_and_what_cannot_be_read_are_left_to_the_reader(tmp_path):
    touch(tmp_path, "a.png")
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "broken.png").symlink_to("none")
    (tmp_path / "loop.png").symlink_to("loop.png")
    os.mkfifo(tmp_path / "fifo.png")
    assert list_images(tmp_path).names == [
        *("a.png", "broken.png", "fifo.png", "link.png", "loop.png")
    ]


def test_masks_beside_their_images_are_no_images(tmp_path):
    touch(tmp_path, "cat.png", "cat_mask.png", "cat_mask001.png", "dog.jpg", "dog-mask.png")
    touch(tmp_path, "lost_mask.png", "sub/bird.png", "sub/face_mask.png")
    images, masks = list_images(tmp_path), list_masks(tmp_path)
    assert images.names == ["cat.png", "dog.jpg", "sub/bird.png", "sub/face_mask.png"]
    assert images.left_out == "4 masks of these images"
    assert masks.names == [
        *("cat_mask.png", "cat_mask001.png", "dog-mask.png", "lost_mask.png"),
        *("sub/bird.png", "sub/face_mask.png"),
    ]
    assert masks.left_out == "2 images of these masks"
    assert list_files(tmp_path).names == sorted([*images.names, *masks.names[:4]])
    assert list_files(tmp_path).left_out == ""


def test_a_folder_of_masks_alone_is_whole(tmp_path):
    touch(tmp_path, "cat_mask.png", "dog_mask.png")
    assert list_images(tmp_path).names == list_masks(tmp_path).names
    assert list_masks(tmp_path).names == ["cat_mask.png", "dog_mask.png"]


@pytest.mark.parametrize(
    ("stem", "image"),
    [
        ("cat_mask", "cat"),
        ("sub/cat-MASK", "sub/cat"),
        ("cat_mask001", "cat"),
        ("cat_mask_3", "cat"),
        ("cat_crop000_mask000", "cat_crop000"),
        ("mask", None),
        ("_mask", None),
        ("unmask", None),
        ("cat_masked", None),
    ],
)
def test_names_of_masks(stem, image):
    assert image_of_mask(stem) == image


def test_log_lines_cannot_be_forged_by_names(tmp_path, caplog):
    touch(tmp_path, "a.png", "b.\x1b[2J\nheartbeat")
    list_images(tmp_path).log("evil\n")
    list_images(tmp_path)._replace(is_complete=False).log("evil\n")
    text = caplog.records[-1].getMessage()
    assert "\n" not in text and "\x1b" not in text and r"evil\n" in text


def test_digest_changes_with_names_and_order():
    assert len({digest(["a", "b"]), digest(["b", "a"]), digest(["a"]), digest(["a\nc"])}) == 4

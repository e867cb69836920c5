import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from madf_jax.data.options import ImageOptions
from madf_jax.data.sources import PHOTOS, FolderSource, PhotoSource, open_images
from madf_jax.data.tfds_source import TfdsSource
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


def test_photographs_of_training_and_evaluation_are_disjoint():
    train, held_out = PhotoSource("train"), PhotoSource("held_out")
    assert set(held_out.names) == {"chelsea", "flower"} and len(train) == 6
    images = [source[i] for source in (train, held_out) for i in range(len(source))]
    assert all(p.dtype == np.uint8 and p.ndim == 3 and p.shape[2] == 3 for p in images)
    assert len({p.tobytes() for p in images}) == len(PHOTOS["train"]) + len(PHOTOS["held_out"])


def test_photographs_are_kept_in_memory_and_cannot_be_changed():
    source = PhotoSource("held_out")
    assert source[0] is source[0]
    with pytest.raises(ValueError, match="read-only"):
        source[0][0] = 0


def test_bad_files_are_skipped_with_one_warning_that_names_them(folder, caplog):
    source = FolderSource(folder, bad_files="skip")
    assert source.names == ["a.png", "sub/b.PNG", "z.bmp"]
    assert colors(source) == [RED, LIME, BLUE]
    (record,) = caplog.records
    assert "3 of 6 images cannot be used" in record.getMessage()
    assert all(f"{name}: " in record.getMessage() for name in BAD)
    assert all(reason in record.getMessage() for reason in BAD.values())


def test_bad_files_are_refused_with_the_same_text(folder):
    with pytest.raises(UserError, match="3 of 6 images cannot be used") as caught:
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
    with pytest.raises(
        UserError, match=r"3 of 3 images cannot be used.*; mend them or name another"
    ):
        FolderSource(folder, bad_files="skip")
    with pytest.raises(UserError, match=r"none of its 1 images"):
        (folder / "text.png").unlink()
        FolderSource(folder, check="header")[0]


def test_representation_outlives_a_move_but_not_a_change(folder, tmp_path_factory):
    before = repr(FolderSource(folder))
    moved = folder.rename(tmp_path_factory.mktemp("elsewhere") / "images")
    assert repr(FolderSource(moved)) == before
    (moved / "a.png").rename(moved / "c.png")
    assert repr(FolderSource(moved)) != before


def test_open_images_takes_each_side_from_its_own_folder(folder):
    options = ImageOptions(source="folder", train_path=str(folder))
    assert len(open_images(options, training=True)) == 3
    with pytest.raises(UserError, match=r"data\.evaluation_path"):
        open_images(options, training=False)


class TinyImages(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"image": tfds.features.Image()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(3):
            file = io.BytesIO()
            Image.new("RGB", (40, 50), (i, 10, 20)).save(file, "png")
            file.seek(0)
            yield i, {"image": file}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    directory = str(tmp_path_factory.mktemp("tfds"))
    TinyImages(data_dir=directory, file_format="array_record").download_and_prepare()
    return directory


def test_tfds_gives_every_image_of_the_split(prepared):
    source = TfdsSource("tiny_images", "train", prepared)
    assert sorted(tuple(source[i][0, 0]) for i in range(3)) == [(i, 10, 20) for i in range(3)]
    assert source[0].shape == (50, 40, 3) and source[0].dtype == np.uint8
    assert len(TfdsSource("tiny_images", "train[:2]", prepared)) == 2
    assert repr(pickle.loads(pickle.dumps(source))) == repr(source)


def test_tfds_is_read_without_tensorflow(prepared):
    code = (
        "import sys; from madf_jax.data.tfds_source import TfdsSource\n"
        f"TfdsSource('tiny_images', 'train', {prepared!r})[0]\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["celeb_a", "celeb_a_hq", "places365_small"])
def test_unprepared_tfds_tells_the_steps(tmp_path, name):
    with pytest.raises(UserError, match=f"{name} is not prepared in {tmp_path}") as caught:
        TfdsSource(name, "train", str(tmp_path))
    message = str(caught.value)
    assert "file_format='array_record'" in message and "tensorflow-cpu" in message
    assert ("downloads/manual" in message) == (name == "celeb_a_hq")


def test_tfds_mistakes_are_named(prepared):
    with pytest.raises(UserError, match="no_such_set"):
        TfdsSource("no_such_set", "train", prepared)
    with pytest.raises(UserError, match="no split 'test'"):
        TfdsSource("tiny_images", "test", prepared)


def test_tfds_without_random_access_is_refused(prepared, monkeypatch):
    def refuse(*args, **kwargs):
        raise NotImplementedError  # what a copy prepared as tfrecord gives

    monkeypatch.setattr(TinyImages, "as_data_source", refuse)
    with pytest.raises(UserError, match=r"no random access; .*file_format='array_record'"):
        TfdsSource("tiny_images", "train", prepared)


def test_too_large_a_share_of_bad_files_is_refused_at_the_start(folder):
    with pytest.raises(UserError, match=r"3 of 6 images cannot.*data\.max_bad_share=0\.4; mend"):
        FolderSource(folder, bad_files="skip", max_bad_share=0.4)
    assert len(FolderSource(folder, bad_files="skip", max_bad_share=0.5)) == 3


def test_files_that_go_bad_are_named_once_counted_and_refused_past_the_share(folder, caplog):
    source = FolderSource(folder, check="header", max_bad_share=0.6)
    for name in ("a.png", "z.bmp"):
        (folder / name).write_bytes(b"gone")
    for _ in range(2):
        assert tuple(source[0][20, 20]) == LIME
    told = [record.getMessage() for record in caplog.records if "bad so far" in record.getMessage()]
    assert len(told) == 1
    assert "a.png: not a JPEG" in told[0] and "1 are bad so far" in told[0]
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


def test_every_source_names_its_images(folder, prepared):
    assert PhotoSource("held_out").name(1) == "flower"
    assert FolderSource(folder).name(1) == "sub/b.PNG"
    assert TfdsSource("tiny_images", "train", prepared).name(2) == "tiny_images, train, record 2"

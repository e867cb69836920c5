import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from madf_jax.data.tfds_source import TfdsSource
from madf_jax.errors import UserError


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
def test_unprepared_tfds_names_the_steps(tmp_path, name):
    with pytest.raises(UserError, match=f"{name} is not prepared in {tmp_path}") as caught:
        TfdsSource(name, "train", str(tmp_path))
    message = str(caught.value)
    assert "; prepare it once: pip install tensorflow-cpu " in message
    assert f"madf-jax prepare {name} --data-dir={tmp_path}" in message
    assert ("downloads/manual" in message) == (name == "celeb_a_hq")


def test_tfds_mistakes_are_named(prepared):
    with pytest.raises(UserError, match="no_such_set"):
        TfdsSource("no_such_set", "train", prepared)
    with pytest.raises(UserError, match="no split 'test'"):
        TfdsSource("tiny_images", "test", prepared)


def test_a_folder_of_tfds_that_cannot_be_used_is_refused(prepared, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "tiny_images/1.0.0").mkdir(parents=True)
    (tmp_path / "tiny_images/1.0.0/dataset_info.json").write_text("{")
    for directory, reason in {
        str(tmp_path / "file"): "Not a directory",
        str(tmp_path / ("n" * 300)): "File name too long",
        "gs://bucket/tfds": "only local paths are supported",
        str(tmp_path): "Failed to load JSON",
    }.items():
        with pytest.raises(UserError, match=reason):
            TfdsSource("tiny_images", "train", directory)


def test_a_damaged_record_is_named(prepared):
    source = TfdsSource("tiny_images", "train", prepared)
    source._records = [{"image": b"no image"}]
    with pytest.raises(UserError, match="tiny_images, train, record 0: not a JPEG"):
        source[0]
    with pytest.raises(UserError, match="tiny_images, train, record 1: can't be read: list index"):
        source[1]


def test_records_have_names(prepared):
    assert TfdsSource("tiny_images", "train", prepared).name(2) == "tiny_images, train, record 2"


def test_tfds_without_random_access_is_refused(prepared, monkeypatch):
    def refuse(*args, **kwargs):
        raise NotImplementedError  # what a copy prepared as tfrecord gives

    monkeypatch.setattr(TinyImages, "as_data_source", refuse)
    with pytest.raises(UserError, match=r"no random access; .*madf-jax prepare tiny"):
        TfdsSource("tiny_images", "train", prepared)

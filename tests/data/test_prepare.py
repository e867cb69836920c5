import importlib.util
import io
import re

import pytest
import tensorflow_datasets as tfds
from PIL import Image

from madf_jax.__main__ import main
from madf_jax.data.prepare import prepare
from madf_jax.data.tfds_source import TfdsSource
from madf_jax.errors import UserError


class PreparedHere(tfds.core.GeneratorBasedBuilder):
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        features = tfds.features.FeaturesDict({"image": tfds.features.Image()})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        file = io.BytesIO()
        Image.new("RGB", (40, 50), "red").save(file, "png")
        file.seek(0)
        yield 0, {"image": file}


@pytest.fixture
def packages(monkeypatch):
    """As if all packages were installed; images that are encoded already need no TensorFlow."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)


def test_a_set_is_prepared_once_in_the_format_that_is_read(packages, tmp_path, capsys, monkeypatch):
    arguments = ["prepare", "prepared_here", "--data-dir", str(tmp_path / "new")]
    assert main(arguments) == 0
    assert f"prepared in {tmp_path}/new/prepared_here/1.0.0" in capsys.readouterr().out
    assert tuple(TfdsSource("prepared_here", "train", str(tmp_path / "new"))[0][0, 0]) == (
        255,
        0,
        0,
    )
    monkeypatch.setattr(PreparedHere, "download_and_prepare", None)
    assert main(arguments) == 0


def test_a_copy_without_random_access_is_named(packages, tmp_path, monkeypatch):
    prepare("prepared_here", str(tmp_path))
    other = property(lambda info: tfds.core.FileFormat.TFRECORD)
    monkeypatch.setattr(tfds.core.DatasetInfo, "file_format", other)
    with pytest.raises(UserError, match=r"1\.0\.0: is prepared as tfrecord, which has no random"):
        prepare("prepared_here", str(tmp_path))


@pytest.mark.parametrize("name", ["places365_small", "celeb_a", "celeb_a_hq/512"])
def test_without_tensorflow_the_steps_are_printed(name, tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=f"preparing {name} needs tensorflow and importlib"
    ) as error:
        prepare(name, str(tmp_path / "new"))
    assert "pip install tensorflow-cpu importlib_resources" in str(error.value)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("name", "side"), [("celeb_a_hq/512", 512), ("celeb_a_hq", 1024)])
def test_an_archive_that_has_to_be_made_by_hand_is_named(packages, tmp_path, name, side):
    archive = f"{tmp_path}/downloads/manual/data{side}x{side}.tar"
    with pytest.raises(UserError, match=f"{re.escape(archive)}: is missing"):
        prepare(name, str(tmp_path))


def test_failures_are_one_line(packages, tmp_path, monkeypatch):
    with pytest.raises(UserError, match="no_such_set") as error:
        prepare("no_such_set", str(tmp_path))
    assert "\n" not in str(error.value)

    def fail(self):
        raise ConnectionError("no network\nand more")

    monkeypatch.setattr(PreparedHere, "download_and_prepare", fail)
    with pytest.raises(UserError, match=r"prepared_here can't be prepared in .*: no network$"):
        prepare("prepared_here", str(tmp_path))
    with pytest.raises(UserError, match="--data-dir=gs://b: only local paths"):
        prepare("prepared_here", "gs://b")

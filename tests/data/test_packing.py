import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from array_record.python.array_record_module import ArrayRecordWriter
from PIL import Image

from madf_jax.__main__ import main
from madf_jax.data import packing
from madf_jax.data.folder_source import FolderSource
from madf_jax.data.options import ImageOptions, MaskOptions
from madf_jax.data.packed_format import read_description
from madf_jax.data.packed_source import PackedSource
from madf_jax.data.packing import PackOptions, pack
from madf_jax.data.pipeline import evaluation_dataset, training_data
from madf_jax.data.sources import open_images
from madf_jax.errors import UserError

# The last one is a name that is not UTF-8 on disk, as Python shows it.
NAMES = ["a b.jpg", "sub/b.PNG", "z.webp", "é\udcff.bmp"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    (root / "sub").mkdir()
    rng = np.random.default_rng(0)
    for number, name in enumerate(NAMES):
        pixels = rng.integers(0, 256, (40 + 8 * number, 64, 3), np.uint8)
        Image.fromarray(pixels).save(root / name)
    return root


@pytest.fixture
def packed(folder, tmp_path):
    """Two files: a new one is begun after each 8,000 bytes."""
    pack(folder, tmp_path / "packed", PackOptions(file_bytes=8000))
    return tmp_path / "packed"


def test_a_packed_set_is_the_folder(folder, packed):
    theirs, ours = FolderSource(folder), PackedSource(packed)
    assert len(ours) == len(theirs) == 4
    assert [ours.name(i) for i in range(4)] == [theirs.name(i) for i in range(4)] == NAMES
    for index in (3, 0, 2, 1):
        np.testing.assert_array_equal(ours[index], theirs[index])
    assert len(read_description(packed).files) > 1
    assert repr(pickle.loads(pickle.dumps(ours))) == repr(ours)


def test_records_are_the_bytes_of_the_files(folder, packed):
    records = PackedSource(packed)._records
    assert [records[i] for i in range(4)] == [(folder / name).read_bytes() for name in NAMES]


def test_training_and_evaluation_see_what_they_see_of_the_folder(folder, packed):
    made = {}
    for source, path in {"folder": folder, "packed": packed}.items():
        options = ImageOptions(
            source=source,
            train_path=str(path),
            evaluation_path=str(path),
            size=16,
            resize_min=20,
            resize_max=20,
        )
        training = training_data(options, MaskOptions(), seed=3, batch_size=2)
        held_out = evaluation_dataset(options, MaskOptions(), seed=3, count=0)
        made[source] = training.dataset[1]["image"], held_out[0]
        assert "Source(images=4, " in training.fingerprint["images"]
    np.testing.assert_array_equal(made["packed"][0], made["folder"][0])
    for key, value in made["folder"][1].items():
        np.testing.assert_array_equal(made["packed"][1][key], value)


def test_a_packed_set_is_read_without_tensorflow(packed):
    code = (
        "import sys; from madf_jax.data.packed_source import PackedSource\n"
        f"PackedSource({str(packed)!r})[3]\n"
        "sys.exit(bool({'tensorflow', 'tensorflow_datasets'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_fingerprint_follows_content_and_names_but_not_the_place(folder, packed, tmp_path):
    pack(folder, tmp_path / "again", PackOptions(file_bytes=8000))
    assert repr(PackedSource(tmp_path / "again")) == repr(PackedSource(packed))
    other = tmp_path / "other"
    other.mkdir()
    for name in ("1.png", "2.png"):
        Image.new("RGB", (40, 40)).save(other / name)
    prints = set()
    for step in range(3):
        if step == 1:
            (other / "1.png").rename(other / "3.png")
        if step == 2:
            Image.new("RGB", (40, 40), "red").save(other / "3.png")
        pack(other, tmp_path / f"other{step}", PackOptions())
        prints.add(repr(PackedSource(tmp_path / f"other{step}")))
    assert len(prints) == 3


def test_images_are_shrunk_to_a_side_and_never_enlarged(folder, tmp_path):
    assert pack(folder, tmp_path / "o", PackOptions(side=48)).side == 48
    source = PackedSource(tmp_path / "o")
    # Heights of 40 and 48 are kept to the byte, those of 56 and 64 shrink.
    assert [source[i].shape[:2] for i in range(4)] == [(40, 64), (48, 64), (48, 55), (48, 48)]
    np.testing.assert_array_equal(source[1], FolderSource(folder)[1])
    assert abs(source[3].mean() - FolderSource(folder)[3].mean()) < 3


def test_bad_images_are_refused_or_left_out_by_name(tmp_path, caplog):
    folder = tmp_path / "in"
    folder.mkdir()
    Image.new("RGB", (40, 40)).save(folder / "a.png")
    Image.new("RGB", (8, 40)).save(folder / "tiny.png")
    (folder / "text.png").write_text("no image")
    with pytest.raises(UserError, match=r"2 of 3 images can't be used: text.png: not a JPEG.*tiny"):
        pack(folder, tmp_path / "out", PackOptions())
    assert sorted(os.listdir(tmp_path)) == ["in"]
    pack(folder, tmp_path / "out", PackOptions(bad_files="skip"))
    assert PackedSource(tmp_path / "out").names == ["a.png"]
    assert "text.png: not a JPEG" in caplog.text
    (folder / "a.png").unlink()
    with pytest.raises(UserError, match="2 of 2 images can't be used"):
        pack(folder, tmp_path / "out2", PackOptions(bad_files="skip"))


def test_what_stands_there_is_replaced_only_by_force_and_only_a_packed_set(folder, packed):
    before = repr(PackedSource(packed))
    with pytest.raises(UserError, match="is there already; --force replaces it"):
        pack(folder, packed, PackOptions())
    pack(folder, packed, PackOptions(side=48, force=True))
    assert repr(PackedSource(packed)) != before
    assert os.listdir(packed.parent) == ["packed"]
    (packed / "notes.txt").touch()
    with pytest.raises(UserError, match="holds other files than a packed set"):
        pack(folder, packed, PackOptions(force=True))
    with pytest.raises(UserError, match="holds other files than a packed set"):
        pack(folder, folder, PackOptions(force=True))


@pytest.mark.parametrize("step", ["write_description", "_move"])
def test_a_failure_leaves_what_was_there(folder, packed, monkeypatch, step):
    def fail(*args):
        raise OSError(28, "No space left on device")

    before = repr(PackedSource(packed))
    monkeypatch.setattr(packing, step, fail)
    with pytest.raises(UserError, match="No space left on device"):
        pack(folder, packed, PackOptions(force=True))
    assert repr(PackedSource(packed)) == before
    assert os.listdir(packed.parent) == ["packed"]


def test_a_full_disk_is_one_line(folder, tmp_path):
    code = (
        "import resource, signal; from madf_jax.__main__ import main\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (70_000, 70_000))\n"
        f"raise SystemExit(main(['pack', {str(folder)!r}, {str(tmp_path / 'o')!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1 and "can't be written" in done.stderr
    assert os.listdir(tmp_path) == []


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


def replace_by_noise(path):
    path.write_bytes(np.random.default_rng(0).bytes(path.stat().st_size))


def replace_by_compressed(path):
    """A small file whose records are large: what the limit on records is about."""
    size = path.stat().st_size
    writer = ArrayRecordWriter(str(path), "group_size:1,zstd")
    writer.write(bytes(10**6))
    writer.close()
    describe(path.parent, lambda file: file.update(images=1, bytes=path.stat().st_size))
    assert path.stat().st_size <= size


def describe(directory, change):
    path = directory / "packed.json"
    content = json.loads(path.read_text())
    change(content["files"][0])
    content["images"] = sum(file["images"] for file in content["files"])
    names = json.dumps([str(i) for i in range(content["images"])]).encode()
    (directory / "names.json").write_bytes(names)
    content["names_sha256"] = packing.hashlib.sha256(names).hexdigest()
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.unlink(), "there is no such file"),
        (truncate, "is truncated: .* bytes, not .*; copy it again"),
        (lambda file: file.write_bytes(file.read_bytes() + b"0"), "is not the file that was"),
        (replace_by_noise, "is no whole ArrayRecord file"),
        (replace_by_compressed, "was not written by madf-jax pack: its options are .*zstd"),
        (
            lambda file: describe(file.parent, lambda one: one.update(images=7)),
            "has . records, not 7; copy",
        ),
        (lambda file: (file.unlink(), os.mkfifo(file)), "is not a regular file"),
    ],
)
def test_files_that_do_not_fit_are_refused_when_the_set_is_opened(packed, damage, message):
    damage(packed / "images-00000.array_record")
    with pytest.raises(UserError, match=f"images-00000.array_record: {message}") as caught:
        PackedSource(packed)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, "does not describe a packed set"),
        ({"version": 2}, "is of version 2, and this program reads version 1"),
        ({"images": 3}, "damaged .'images' is not the sum"),
        ({"images": True}, "damaged .'images' is True"),
        ({"files": [{"name": "../x", "images": 4}]}, r"damaged .'name' is '\.\./x'"),
        ({"files": 7}, "damaged"),
        ({"files": [{}]}, "damaged"),
        ({"names_sha256": "0" * 64}, "names.json: does not belong to packed.json"),
    ],
)
def test_descriptions_that_do_not_fit_are_refused(packed, changes, message):
    path = packed / "packed.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UserError, match=message):
        PackedSource(packed)


def test_other_directories_are_refused_with_the_command(folder, packed):
    for training, key in {True: "train_path", False: "evaluation_path"}.items():
        with pytest.raises(UserError, match=f"'packed' needs data.{key}, a directory that"):
            open_images(ImageOptions(source="packed"), training=training)
    with pytest.raises(UserError, match=r"data.train_path=.*packed.json.*madf-jax pack FOLDER OUT"):
        PackedSource(folder, key="data.train_path")
    (packed / "packed.json").write_text("{")
    with pytest.raises(UserError, match=r"packed.json: is not JSON"):
        PackedSource(packed)
    (packed / "packed.json").write_text("[" * 10**5)
    with pytest.raises(UserError, match=r"packed.json: is not JSON"):
        PackedSource(packed)


def test_a_damaged_record_is_named(packed):
    file = packed / "images-00000.array_record"
    content = bytearray(file.read_bytes())
    content[500] ^= 255
    file.write_bytes(content)
    source = PackedSource(packed)
    with pytest.raises(UserError, match=r"packed, a b.jpg: can't be read: .*hash mismatch"):
        source[0]
    assert source[3].shape == (64, 64, 3)


def test_the_command_packs_and_says_so(folder, tmp_path, capsys):
    assert main(["pack", str(folder), str(tmp_path / "o"), "--side", "48"]) == 0
    assert f"{tmp_path / 'o'}: 4 images in 1 files, 0.1 MiB" in capsys.readouterr().out
    assert main(["pack", str(folder), str(tmp_path / "o")]) == 1
    assert "--force replaces it" in capsys.readouterr().err
    for arguments, message in {
        (str(folder), str(tmp_path / "p"), "--side=5"): "--side=5: use a number from 32 to 65536",
        (str(folder), str(tmp_path / "p"), "--file-mib=0"): "--file-mib=0: use a number from 1",
        (str(tmp_path / "nowhere"), str(tmp_path / "p")): "nowhere: there is no such file",
        (str(folder), "gs://bucket/p"): "only local paths are supported",
    }.items():
        assert main(["pack", *arguments]) == 1
        assert message in capsys.readouterr().err
    assert not (tmp_path / "p").exists()

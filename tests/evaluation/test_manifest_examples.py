"""Reading what a manifest names: exactly these bytes, or an error with the file's name."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.evaluation.manifest_examples import manifest_dataset, read_example, verify_files
from madf_jax.evaluation.manifest_reading import read_manifest
from tests.evaluation.manifests import save_images, write

NAMES = ("a.png", "sub/b.png", "sub/c.png")


@pytest.fixture
def root(tmp_path):
    save_images(tmp_path / "images", NAMES)
    return tmp_path


@pytest.fixture
def manifest(root):
    return read_manifest(write(root))


def change_a_pixel(path):
    """Of an image or a mask, in place."""
    pixels = np.array(Image.open(path))
    pixels[0, 0] ^= 1
    Image.fromarray(pixels).save(path)


def test_batches_carry_the_manifests_ids_in_its_order(manifest):
    batches = list(manifest_dataset(manifest, 2))
    assert [batch["id"].tolist() for batch in batches] == [["a", "sub/b"], ["sub/c"]]
    assert [batch["index"].tolist() for batch in batches] == [[0, 1], [2]]
    names = {k: [n for b in batches for n in b[k]] for k in ("image_name", "mask_name")}
    assert names == {"image_name": list(NAMES), "mask_name": list(NAMES)}
    for batch, i, entry in ((batches[0], 1, 1), (batches[1], 0, 2)):
        pixels = np.asarray(Image.open(manifest.images / NAMES[entry]))
        np.testing.assert_array_equal(batch["image"][i], pixels)
        share = 1 - batch["mask"][i].mean()
        assert share == pytest.approx(manifest.entries[entry].share, abs=1e-6)


@pytest.mark.parametrize("place", ["images", "test.masks"])
def test_a_changed_pixel_is_refused_with_the_files_name(root, manifest, place):
    verify_files(manifest)
    change_a_pixel(root / place / "sub" / "b.png")
    with pytest.raises(UserError, match=rf"1 of 6 files .*{place}/sub/b\.png: has changed since"):
        verify_files(manifest)
    with pytest.raises(UserError, match=rf"{place}/sub/b\.png: has changed since the manifest"):
        read_example(manifest, manifest.entries[1])
    with pytest.raises(UserError, match=r"sub/b\.png: has changed"):
        list(manifest_dataset(manifest, 2))
    assert read_example(manifest, manifest.entries[2])[0].shape == (16, 16, 3)


def test_every_missing_and_changed_file_is_named(root, manifest):
    (root / "images" / "a.png").unlink()
    change_a_pixel(root / "test.masks" / "sub" / "c.png")
    (root / "images" / "sub" / "b.png").unlink()
    (root / "images" / "sub" / "b.png").mkdir()
    with pytest.raises(UserError) as error:
        verify_files(manifest)
    message = str(error.value)
    assert message.startswith("3 of 6 files can't be used")
    assert "images/a.png: there is no such file" in message
    assert "images/sub/b.png: is a directory" in message
    assert "test.masks/sub/c.png: has changed" in message


def test_a_mask_that_is_read_otherwise_than_by_its_maker_is_refused(manifest):
    inverted = dataclasses.replace(manifest, hole="white")
    with pytest.raises(UserError, match=r"a\.png: its hole is 0\.\d+ of the image, and the man"):
        read_example(inverted, inverted.entries[0])


def test_a_file_in_two_rows_with_two_hashes_is_no_way_around_the_check(manifest):
    wrong = dataclasses.replace(manifest.entries[0], id="x", image_sha256="0" * 64)
    both = dataclasses.replace(manifest, entries=(*manifest.entries, wrong))
    with pytest.raises(UserError, match=r"images/a\.png: has changed"):
        verify_files(both)

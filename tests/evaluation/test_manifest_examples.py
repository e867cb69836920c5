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


def test_examples_carry_the_manifests_ids_in_its_order(manifest):
    examples = list(manifest_dataset(manifest))
    assert [example["id"] for example in examples] == ["a", "sub/b", "sub/c"]
    assert [example["index"] for example in examples] == [0, 1, 2]
    assert [example["image_name"] for example in examples] == list(NAMES)
    assert [example["mask_name"] for example in examples] == list(NAMES)
    for example, name, entry in zip(examples, NAMES, manifest.entries, strict=True):
        pixels = np.asarray(Image.open(manifest.images / name))
        np.testing.assert_array_equal(example["image"], pixels)
        assert 1 - example["mask"].mean() == pytest.approx(entry.share, abs=1e-6)


@pytest.mark.parametrize("place", ["images", "test.masks"])
def test_a_changed_pixel_is_refused_with_the_files_name(root, manifest, place):
    verify_files(manifest)
    change_a_pixel(root / place / "sub" / "b.png")
    with pytest.raises(UserError, match=rf"1 of 6 files .*{place}/sub/b\.png: has changed since"):
        verify_files(manifest)
    with pytest.raises(UserError, match=rf"{place}/sub/b\.png: has changed since the manifest"):
        read_example(manifest, manifest.entries[1])
    with pytest.raises(UserError, match=r"sub/b\.png: has changed"):
        list(manifest_dataset(manifest))
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

"""Making manifests: pairs, shares, hashes, and what is refused."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from madf_jax.data.masks import make_generator
from madf_jax.data.options import MaskOptions
from madf_jax.errors import UserError
from madf_jax.evaluation.manifest_examples import read_example
from madf_jax.evaluation.manifest_making import make_manifest
from madf_jax.evaluation.manifest_pairs import make_ids
from tests.evaluation.manifests import options_of, save_images, save_mask

NAMES = ("a.png", "sub/b.png", "sub/c.jpg")


@pytest.fixture
def root(tmp_path):
    save_images(tmp_path / "images", NAMES)
    return tmp_path


@pytest.fixture
def masks(tmp_path):
    """Four masks, 4 to 7 columns of hole, of no image's name."""
    for columns in range(4, 8):
        save_mask(tmp_path / "masks" / f"{columns}.png", columns)
    return tmp_path / "masks"


def test_generated_masks_are_files_that_their_seeds_draw_again(root):
    manifest = make_manifest(options_of(root, "lama_thin_256", shares=(0.1, 0.4), hole="white"))
    assert [e.image for e in manifest.entries] == list(NAMES)
    assert [e.id for e in manifest.entries] == ["a", "sub/b", "sub/c"]
    draw = make_generator(MaskOptions(generator="lama_thin_256"))
    for entry in manifest.entries:
        path = root / "test.masks" / entry.mask
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry.mask_sha256
        image = (root / "images" / entry.image).read_bytes()
        assert hashlib.sha256(image).hexdigest() == entry.image_sha256
        stored = np.asarray(Image.open(path))
        again = draw(np.random.default_rng(entry.seed), manifest.size)[..., 0]
        np.testing.assert_array_equal(stored, 255 * (1 - again))  # white marks the hole
        assert entry.share == round(float(1 - again.mean()), 6)
        np.testing.assert_array_equal(read_example(manifest, entry)[1][..., 0], again)


def test_the_seed_decides_and_the_number_of_examples_does_not(root):
    first = make_manifest(options_of(root))
    assert make_manifest(options_of(root)) == first
    more = make_manifest(options_of(root, count=7))
    assert [e.seed for e in more.entries[:3]] == [e.seed for e in first.entries]
    assert len({e.mask_sha256 for e in more.entries}) == 7
    other = make_manifest(options_of(root, seed=4))
    assert not {e.seed for e in other.entries} & {e.seed for e in first.entries}


def test_masks_of_no_name_are_assigned_at_random_by_the_seed_and_used_alike(root, masks):
    manifest = make_manifest(options_of(root, masks, count=12))
    used = [e.mask for e in manifest.entries]
    assert sorted(used) == sorted(3 * [f"{c}.png" for c in range(4, 8)])
    assert make_manifest(options_of(root, masks, count=12)) == manifest
    others = [
        [e.mask for e in make_manifest(options_of(root, masks, count=12, seed=seed)).entries]
        for seed in range(4, 7)
    ]
    assert all(other != used for other in others)
    shares = {e.mask: e.share for e in manifest.entries}
    assert shares == {f"{c}.png": c / 16 for c in range(4, 8)}
    assert {e.bucket for e in manifest.entries} == {"0.2-0.3", "0.3-0.4", "0.4-0.5"}


def test_masks_of_an_images_name_are_all_used_with_it(root):
    for name in ("a.png", "sub/b_mask001.png", "sub/b_mask002.png", "sub/c.png"):
        save_mask(root / "masks" / name, 5)
    manifest = make_manifest(options_of(root, root / "masks"))
    assert [(e.id, e.image, e.mask) for e in manifest.entries] == [
        ("a", "a.png", "a.png"),
        ("sub/b-1", "sub/b.png", "sub/b_mask001.png"),
        ("sub/b-2", "sub/b.png", "sub/b_mask002.png"),
        ("sub/c", "sub/c.jpg", "sub/c.png"),
    ]
    few = make_manifest(options_of(root, root / "masks", count=2))
    assert [e.mask for e in few.entries] == ["a.png", "sub/b_mask001.png"]
    with pytest.raises(UserError, match="--count=5: there are 4 pairs of the same name"):
        make_manifest(options_of(root, root / "masks", count=5))


def test_images_without_a_mask_of_their_name_are_named(root):
    save_mask(root / "masks" / "a.png", 5)
    with pytest.raises(UserError, match=r"2 of 3 images have no mask .*: sub/b\.png; sub/c\.jpg;"):
        make_manifest(options_of(root, root / "masks"))
    manifest = make_manifest(options_of(root, root / "masks", pairing="random"))
    assert [e.mask for e in manifest.entries] == ["a.png"] * 3


@pytest.mark.parametrize("place", ["images/masks", "images/sub/masks", "."])
def test_images_and_masks_may_lie_within_each_other(root, place):
    target = root / place / "m.png"
    save_mask(target, 5)
    manifest = make_manifest(options_of(root, root / place))
    assert [e.image for e in manifest.entries] == list(NAMES)
    assert {e.mask for e in manifest.entries} == {"m.png"}


def test_masks_that_seem_to_be_the_wrong_way_round_are_refused(root):
    for i, columns in enumerate((11, 12, 13)):
        save_mask(root / "masks" / f"{i}.png", columns)
    message = r"masks are 75 % hole on average\. If white marks it, give --hole=white; if they"
    with pytest.raises(UserError, match=message):
        make_manifest(options_of(root, root / "masks"))
    white = make_manifest(options_of(root, root / "masks", hole="white"))
    assert max(e.share for e in white.entries) < 0.5
    black = make_manifest(options_of(root, root / "masks", hole="black"))
    assert min(e.share for e in black.entries) > 0.5


@pytest.mark.parametrize("columns", [0, 16])
def test_masks_without_a_hole_or_without_anything_known_are_named(root, masks, columns):
    save_mask(masks / "useless.png", columns)
    with pytest.raises(UserError, match=r"1 of 5 masks are all black or all white: useless\.png;"):
        make_manifest(options_of(root, masks, count=5))


def test_the_size_is_that_of_all_images_or_must_be_named(root):
    assert make_manifest(options_of(root)).size == 16
    save_images(root / "images", ["sub/large.png"], size=24)
    with pytest.raises(UserError, match=r"a\.png \(16x16\).* --size=512 for example"):
        make_manifest(options_of(root))
    Image.new("RGB", (40, 20), "red").save(root / "images" / "sub" / "large.png")
    for crop, left in (("squash", 0), ("center", 0)):
        manifest = make_manifest(options_of(root, size=32, crop=crop))
        image, mask = read_example(manifest, manifest.entries[-1])
        assert image.shape == (32, 32, 3) and mask.shape == (32, 32, 1)
        assert image[left, 0].tolist() == [255, 0, 0]


def test_broken_images_and_masks_are_named(root, masks):
    (root / "images" / "sub" / "b.png").write_bytes(b"text")
    with pytest.raises(UserError, match=r"1 of 3 files can't be used: .*b\.png: not a JPEG"):
        make_manifest(options_of(root))
    save_images(root / "images", ["sub/b.png"])
    (masks / "4.png").write_bytes(b"text")
    with pytest.raises(UserError, match=r"4\.png: not a JPEG"):
        make_manifest(options_of(root, masks, count=4))


def test_ids_are_unique_whatever_the_names():
    images = ["a.png", "b.png", "a.png", "a.jpg", "a-1.png", "a-2.png", "a.png", "v1.2.png"]
    ids = make_ids(images)
    assert ids == ["a-3", "b", "a-4", "a-5", "a-1", "a-2", "a-6", "v1.2"]
    assert len(set(ids)) == len(images)

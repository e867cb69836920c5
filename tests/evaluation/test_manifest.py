"""The manifest as a file: written, read again, and anybody's."""

import json

import pytest

from madf_jax.errors import UserError
from madf_jax.evaluation.buckets import bucket_name
from madf_jax.evaluation.manifest import Entry, Manifest, sha256_of, write_manifest
from madf_jax.evaluation.manifest_reading import is_inner_name, read_manifest

ROW = {
    "id": "park/bench",
    "image": "park/bench.jpg",
    "mask": "7.png",
    "share": 0.25,
    "bucket": "0.2-0.3",
    "seed": 2**53 - 1,
    "image_sha256": "0" * 64,
    "mask_sha256": "f" * 64,
}
HEADER = {
    "format": "madf-jax manifest",
    "version": 1,
    "images": "images",
    "masks": "../masks",
    "hole": "white",
    "size": 64,
    "crop": "center",
    "seed": 5,
    "generator": "",
    "count": 1,
}


def save(path, *lines):
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "test.jsonl"


def manifest_at(root):
    rows = [ROW, {**ROW, "id": "\udcff\x1b[2J", "share": 0.6001, "bucket": "other"}]
    return Manifest(
        images=root / "deep" / "images",
        masks=root / "masks",
        **{key: HEADER[key] for key in ("hole", "size", "crop", "seed", "generator")},
        entries=tuple(Entry(**row) for row in rows),
    )


def test_what_is_written_is_read(tmp_path, path):
    manifest = manifest_at(tmp_path)
    write_manifest(path, manifest)
    read = read_manifest(path)
    assert read.entries == manifest.entries and read.sha256 == sha256_of(path)
    assert read.images.resolve() == manifest.images and read.masks.resolve() == manifest.masks
    assert (read.hole, read.size, read.crop, read.seed) == ("white", 64, "center", 5)
    header = json.loads(path.read_text().splitlines()[0])
    assert header == {**HEADER, "count": 2}  # roots relative to the file: it may move with them


def test_a_manifest_moves_with_its_folders(tmp_path, path):
    write_manifest(path, manifest_at(tmp_path))
    before = path.read_bytes()
    moved = tmp_path / "moved"
    (tmp_path / "deep").rename(moved)
    assert read_manifest(moved / "test.jsonl").images == moved / "images"
    assert (moved / "test.jsonl").read_bytes() == before


def test_folders_that_have_moved_can_be_named(tmp_path):
    path = save(tmp_path / "m.jsonl", HEADER, ROW)
    read = read_manifest(path, images=tmp_path / "a", masks=tmp_path / "b")
    assert (read.images, read.masks) == (tmp_path / "a", tmp_path / "b")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "../secret.png"}, "line 2: image is '../secret.png'; use a path with forward"),
        ({"image": "/etc/passwd"}, "line 2: image is '/etc/passwd'"),
        ({"mask": "a/../../b.png"}, "line 2: mask is"),
        ({"id": "../../x"}, "line 2: id is '../../x'"),
        ({"id": ""}, "line 2: id is ''"),
        ({"id": "a\0b"}, "line 2: id is"),
        ({"id": 7}, "line 2: id is 7; use a text"),
        ({"image": "x" * 5000}, "line 2: image is 'xxx"),
        ({"share": 1.5}, "line 2: share is 1.5; use from 0 to 1"),
        ({"share": float("nan")}, "line 2: share is nan"),
        ({"share": "a lot"}, "line 2: share is 'a lot'"),
        ({"share": 0.35}, "line 2: bucket is '0.2-0.3'; the share is in 0.3-0.4"),
        ({"seed": -1}, "line 2: seed is -1"),
        ({"seed": 2**53}, "line 2: seed is 9007199254740992"),
        ({"seed": 10**400}, "line 2: seed is 1000"),
        ({"image_sha256": "0" * 63}, "line 2: image_sha256 is not made of 64 hexadecimal digits"),
        ({"mask_sha256": "F" * 64}, "line 2: mask_sha256 is not"),
        ({"mask_sha256": None}, "line 2: mask_sha256 is None; use a text"),
    ],
)
def test_a_row_that_cannot_be_used_is_refused_with_its_line(tmp_path, change, message):
    path = save(tmp_path / "m.jsonl", HEADER, {**ROW, **change})
    with pytest.raises(UserError) as error:
        read_manifest(path, "--manifest")
    assert f"--manifest={path}, {message}" in str(error.value)
    assert len(str(error.value)) < 5000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "other"}, "is not a manifest; `madf-jax manifest` makes one"),
        ({"version": 2}, "is of version 2; 1 can be read"),
        ({"size": 8}, "line 1: size is 8; use from 16 to 8192"),
        ({"size": 10**9}, "line 1: size is 1000000000"),
        ({"size": True}, "line 1: size is True"),
        ({"hole": "gray"}, "line 1: hole is 'gray'; use 'black' or 'white'"),
        ({"crop": ["squash"]}, "line 1: crop is"),
        ({"generator": "__import__"}, "line 1: generator is"),
        ({"seed": 2**32}, "line 1: seed is"),
        ({"images": ""}, "line 1: images is empty"),
        ({"images": "gs://bucket"}, "line 1: images=gs://bucket: only local paths"),
        ({"count": 2}, "has 1 of the 2 examples that it announces"),
        ({"count": 0}, "line 1: count is 0"),
    ],
)
def test_a_first_line_that_cannot_be_used_is_refused(tmp_path, change, message):
    path = save(tmp_path / "m.jsonl", {**HEADER, **change}, ROW)
    with pytest.raises(UserError) as error:
        read_manifest(path)
    assert message in str(error.value)


@pytest.mark.parametrize("key", [*HEADER, *ROW])
def test_a_missing_key_is_named(tmp_path, key):
    lines = [{k: v for k, v in line.items() if k != key} for line in (HEADER, ROW)]
    with pytest.raises(UserError) as error:
        read_manifest(save(tmp_path / "m.jsonl", *lines))
    expected = {"format": "is not a manifest", "version": "is of version None"}
    assert expected.get(key, f"{key} is missing") in str(error.value)


def test_two_examples_of_one_id_are_refused(tmp_path):
    path = save(tmp_path / "m.jsonl", {**HEADER, "count": 2}, ROW, ROW)
    with pytest.raises(UserError, match="has two examples with the id park/bench"):
        read_manifest(path)


@pytest.mark.parametrize("text", [b"", b"\xff\xfe", b"[" * 10**5, b"[1]\n", b"7", b"{}\n{", b"\n"])
def test_what_is_no_manifest_is_refused(tmp_path, text):
    path = tmp_path / "m.jsonl"
    path.write_bytes(text)
    with pytest.raises(UserError, match=r"m\.jsonl"):
        read_manifest(path)
    with pytest.raises(UserError, match="is a directory"):
        read_manifest(tmp_path)


def test_inner_names():
    assert all(map(is_inner_name, ("a", "a/b.png", "..a/b..", "a b", "é", "-x")))
    outer = ("", ".", "..", "a/..", "/a", "a//b", "a/", "./a", "a\0", "x" * 4097, None, 5)
    assert not any(map(is_inner_name, outer))


def test_buckets_are_open_below_and_closed_above():
    shares = (0.011, 0.1, 0.11, 0.2, 0.3, 0.4, 0.5, 0.6)
    assert [bucket_name(share) for share in shares] == [
        *("0.01-0.1", "0.01-0.1", "0.1-0.2", "0.1-0.2"),
        *("0.2-0.3", "0.3-0.4", "0.4-0.5", "0.5-0.6"),
    ]
    assert {bucket_name(share) for share in (0, 0.01, 0.61, 1)} == {"other"}

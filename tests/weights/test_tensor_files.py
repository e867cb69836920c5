import errno
import os
import pathlib
import socket
import subprocess
import sys
import tracemalloc
import types
import zipfile

import numpy as np
import pytest
from safetensors.numpy import save_file

from madf_jax.errors import UserError
from madf_jax.weights import npz as npz_files
from madf_jax.weights import stored, tensor_files
from madf_jax.weights.tensor_files import open_tensors, write_tensors
from tests.weights.damage import Evil, cut, flipped, member, members, npy, npz, of_bytes, read_all

ARRAYS = {
    "a/kernel": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "step": np.asarray(7, np.int32),
    "empty": np.zeros((0, 3), np.float32),
    "odd": np.asarray([-0.0, 1e-45, 3e38], np.float32),
}


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".SafeTensors"])
def test_there_and_back_is_bit_identical(suffix, tmp_path, assert_identical):
    path = tmp_path / f"weights{suffix}"
    write_tensors(path, ARRAYS, "text")
    found = read_all(path)
    assert_identical({name: found[name] for name in ARRAYS}, ARRAYS)
    assert set(found) == set(ARRAYS)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_transposed_and_reversed_arrays_are_written_right(suffix, tmp_path):
    view = ARRAYS["a/kernel"].transpose(2, 0, 1)[::-1]
    path = tmp_path / f"weights{suffix}"
    write_tensors(path, {"view": view})
    np.testing.assert_array_equal(read_all(path)["view"], view)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"weights{suffix}"
    write_tensors(path, ARRAYS)
    before = path.read_bytes()

    def full_disk(path, *_):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(tensor_files, "_write", full_disk)
    with pytest.raises(UserError, match=r"weights.*can't be written: no space left"):
        write_tensors(path, ARRAYS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=r"nowhere/w.npz: there is no directory .*nowhere$"):
        write_tensors(tmp_path / "nowhere" / "w.npz", ARRAYS)


def test_a_directory_is_refused_whatever_its_name(tmp_path):
    (tmp_path / "w.npz").mkdir()
    with pytest.raises(UserError, match="is a directory, not a file"):
        read_all(tmp_path / "w.npz")


def _twice(path):
    with zipfile.ZipFile(path, "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("a.npy", npy((1,), b"1234"))
        archive.writestr("a.npy", npy((1,), b"5678"))


def _safetensors(path):
    save_file({"a": np.ones(99, np.float32)}, path)


def _header(text):
    return len(text).to_bytes(8, "little") + text


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("missing.npz", lambda path: None, "there is no such file"),
        ("folder.npz", pathlib.Path.mkdir, "is a directory"),
        ("empty.npz", of_bytes(b""), "is empty"),
        ("empty.safetensors", of_bytes(b""), "is empty"),
        (
            "weights.bin",
            of_bytes(b"abc"),
            r"end in \.safetensors, \.npz, \.pth, \.pt, not in '\.bin'",
        ),
        ("weights", of_bytes(b"abc"), "not in ''"),
        ("text.npz", of_bytes(b"not an archive"), "no readable .npz file: File is not a zip file"),
        ("text.safetensors", of_bytes(b"not a header at all"), "no readable .safetensors file"),
        ("cut.npz", cut(npz(a=np.ones(99)), 0.6), "no readable .npz file"),
        ("cut.safetensors", cut(_safetensors, 0.6), "no readable .safetensors file"),
        ("cut_header.safetensors", cut(_safetensors, 0.02), "no readable .safetensors file"),
        ("flipped.npz", flipped(npz(a=np.ones(99)), 300), "no readable .npz file: Bad CRC"),
        ("huge_header.safetensors", of_bytes(b"\xff" * 8 + b"{}"), "no readable .safetensors file"),
        (
            "beyond.safetensors",
            of_bytes(
                _header(b'{"a":{"dtype":"F32","shape":[999],"data_offsets":[0,3996]}}') + b"1234"
            ),
            "no readable .safetensors file",
        ),
        ("objects.npz", npz(a=np.asarray([{}, 1], object)), "'a.npy' has dtype object"),
        ("words.npz", npz(a=np.asarray(["b"])), "'a.npy' has dtype <U1"),
        ("complex.npz", npz(a=np.ones(2, np.complex64)), "'a.npy' has dtype complex64"),
        ("shape.npz", member("a.npy", npy((10**12,), b"1234")), "'a.npy' declares shape"),
        ("negative.npz", member("a.npy", npy((-1, -1), b"1234")), "no readable .npz file"),
        ("stray.npz", member("a.txt", "hello"), "holds 'a.txt', which is no array"),
        ("magic.npz", member("a.npy", b"hello there, no array"), "no readable .npz file"),
        ("version.npz", member("a.npy", b"\x93NUMPY\x09\x00" + b"0" * 99), "npy version"),
        ("twice.npz", _twice, "two members of the same name"),
    ],
)
def test_damaged_files_are_refused_in_one_line(name, damage, message, tmp_path):
    path = tmp_path / name
    damage(path)
    with pytest.raises(UserError, match=message) as caught:
        read_all(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "write",
    [
        member("a.npy", npy((25_000,), bytes(100_000)), zipfile.ZIP_DEFLATED),
        npz(a=np.ones(25_000, np.float32)),
    ],
    ids=["zip_bomb", "large_file"],
)
def test_too_much_is_refused_before_it_is_read(write, tmp_path, monkeypatch):
    monkeypatch.setattr(stored, "MAX_BYTES", 50_000)
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("was read"))
    path = tmp_path / "large.npz"
    write(path)
    with pytest.raises(UserError, match=r"large\.npz: .*more than the 50000 allowed"):
        read_all(path)


def test_without_pytorch_the_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "weights.pth"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"pip install '\.\[torch\]'; .safetensors and .npz"):
        read_all(path)
    with pytest.raises(UserError, match=r"pip install '\.\[torch\]'"):
        write_tensors(path, ARRAYS)


def test_a_pytorch_that_cannot_read_safely_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", types.SimpleNamespace(__version__="2.5.1+cpu"))
    path = tmp_path / "weights.pth"
    path.write_bytes(b"PK")
    with pytest.raises(UserError, match=r"PyTorch 2\.6 or newer .* 2\.5\.1"):
        read_all(path)


def test_pytorch_is_not_imported_before_it_is_used():
    code = "import sys, madf_jax.weights.entry; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_description_stands_beside_the_tensors(suffix, tmp_path):
    path = tmp_path / f"weights{suffix}"
    write_tensors(path, ARRAYS, '{"text": "\u00e9"}')
    with open_tensors(path) as content:
        assert content.description == '{"text": "\u00e9"}'
        assert set(content.tensors) == set(ARRAYS)
    write_tensors(path, ARRAYS)
    with open_tensors(path) as content:
        assert content.description is None


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_what_is_skipped_is_never_read(suffix, tmp_path, monkeypatch):
    path = tmp_path / f"weights{suffix}"
    write_tensors(path, {"a/b": np.ones(2), "a": np.ones(3), "ab/c": np.ones(4)})
    with open_tensors(path, skip=("a",)) as content:
        assert list(content.tensors) == ["ab/c"]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640), (0o077, 0o600)])
def test_files_have_the_mode_that_the_umask_says(suffix, umask, mode, tmp_path):
    path = tmp_path / f"weights{suffix}"
    before = os.umask(umask)
    try:
        write_tensors(path, ARRAYS)
    finally:
        os.umask(before)
    assert oct(path.stat().st_mode & 0o777) == oct(mode)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pth"])
@pytest.mark.parametrize("kind", ["fifo", "socket", "device"])
def test_what_is_no_regular_file_is_refused_by_name(suffix, kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    path = pathlib.Path(f"w{suffix}")
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(str(path))
    else:
        path.symlink_to("/dev/zero")
    with pytest.raises(UserError, match=rf"^w{suffix}: is not a regular file"):
        read_all(path)


@pytest.mark.parametrize(
    ("count", "message"),
    [
        (200_000, "a list of members of 11600000 bytes, far too many for weights"),
        (20_001, "holds 20001 members, more than the 20000 allowed"),
    ],
)
def test_archives_of_countless_members_are_refused_by_their_list(count, message, tmp_path):
    path = tmp_path / "many.npz"
    members(count)(path)
    with pytest.raises(UserError, match=message):
        read_all(path)


def test_an_array_s_header_takes_no_memory_of_its_own(tmp_path):
    header = b"\x93NUMPY\x02\x00" + (50_000_000).to_bytes(4, "little") + b" " * 50_000_000
    path = tmp_path / "header.npz"
    member("a.npy", header, zipfile.ZIP_DEFLATED)(path)
    assert path.stat().st_size < 100_000
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=r"no readable \.npz file"):
            read_all(path)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_a_description_takes_no_memory_without_end(tmp_path):
    path = tmp_path / "w.npz"
    text = npy((), b" " * 4 * 5_000_000, "<U5000000")
    member("madf_jax.npy", text, zipfile.ZIP_DEFLATED)(path)
    with pytest.raises(UserError, match=r"'madf_jax.npy' declares 20000128 bytes, far too many"):
        read_all(path)


def test_too_little_memory_is_said_as_that(tmp_path, monkeypatch):
    path = tmp_path / "w.npz"
    npz(a=np.ones(3, np.float32))(path)

    def exhausted(*_, **__):
        raise MemoryError

    monkeypatch.setattr(np.lib.format, "read_array", exhausted)
    with pytest.raises(UserError, match=r"w\.npz: there is not enough memory to read it"):
        read_all(path)


def test_the_system_s_reason_is_given(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="File name too long"):
        read_all(tmp_path / f"{'x' * 300}.npz")
    with pytest.raises(UserError, match="File name too long"):
        write_tensors(tmp_path / f"{'x' * 300}.npz", ARRAYS)
    path = tmp_path / "w.npz"
    npz(a=np.ones(3))(path)

    def refuse(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(npz_files, "open_archive", refuse)
    with pytest.raises(UserError, match=r"w\.npz: can't be read: Permission denied$"):
        read_all(path)


def test_objects_in_an_archive_are_never_unpickled(tmp_path):
    path = tmp_path / "w.npz"
    npz(a=np.asarray([Evil(tmp_path / "was_here")], object))(path)
    with pytest.raises(UserError, match="dtype object"):
        read_all(path)
    assert not (tmp_path / "was_here").exists()

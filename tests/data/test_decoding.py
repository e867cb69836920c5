import io
import os
import socket
import struct
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from madf_jax.data import decoding, images
from madf_jax.data.decoding import ImageError
from madf_jax.data.images import image_size, read_image
from madf_jax.data.mask_files import read_mask_file
from madf_jax.errors import UserError
from madf_jax.memory import MemoryBudget

RGB = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
READERS = pytest.mark.parametrize("read", [read_image, image_size, read_mask_file])


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tif"])
def test_truncated_file_is_one_clear_line(tmp_path, suffix):
    Image.fromarray(RGB).save(tmp_path / f"whole.{suffix}")
    encoded = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(encoded[: len(encoded) // 2])
    with pytest.raises(ImageError, match=rf"cut\.{suffix}: ") as caught:
        read_image(tmp_path / f"cut.{suffix}")
    assert "\n" not in str(caught.value) and "()" not in str(caught.value)
    assert "truncated" in str(caught.value) or suffix == "tif"


@READERS
def test_other_formats_and_text_are_refused(tmp_path, read):
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(RGB).save(tmp_path / "gif.png", format="GIF")
    for name in ("text.png", "gif.png"):
        with pytest.raises(ImageError, match=f"{name}: not a JPEG, PNG, WebP, BMP or TIFF image"):
            read(tmp_path / name)


@READERS
def test_a_path_that_cannot_be_opened_has_the_systems_reason(tmp_path, read, monkeypatch):
    (tmp_path / "loop.png").symlink_to("loop.png")
    for name, reason in {
        "none.png": "there is no such file",
        "loop.png": "Too many levels of symbolic links",
        "n" * 300 + ".png": "File name too long",
    }.items():
        with pytest.raises(ImageError) as caught:
            read(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name}: {reason}"
    Image.fromarray(RGB).save(tmp_path / "secret.png")

    def denied(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(decoding.Path, "open", denied)
    with pytest.raises(ImageError, match=r"secret\.png: Permission denied$"):
        read(tmp_path / "secret.png")


@READERS
def test_what_is_no_regular_file_is_refused_without_waiting_for_it(tmp_path, read):
    os.mkfifo(tmp_path / "fifo.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "folder.png").mkdir()
    with socket.socket(socket.AF_UNIX) as unix:
        here = os.getcwd()
        os.chdir(tmp_path)  # the path of a socket must be short
        unix.bind("socket.png")
        os.chdir(here)
        for name in ("fifo.png", "device.png", "socket.png"):
            with pytest.raises(ImageError, match=f"{name}: is a FIFO, socket or device"):
                read(tmp_path / name)
    with pytest.raises(ImageError, match=r"folder\.png: is a directory"):
        read(tmp_path / "folder.png")


def test_a_control_character_in_a_name_is_escaped(tmp_path):
    name = "evil\x1b[2J\nheartbeat: 9.png"
    (tmp_path / name).write_text("no image")
    with pytest.raises(ImageError) as caught:
        read_image(tmp_path / name, name)
    assert str(caught.value).startswith(r"evil\x1b[2J\nheartbeat: 9.png: not a")


@READERS
def test_too_many_pixels_are_refused_before_decoding(tmp_path, read, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    monkeypatch.setattr(decoding, "MAX_PIXELS", 40 * 50 - 1)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(ImageError, match=r"a\.png: has more than 1999 pixels"):
        read(tmp_path / "a.png")


def test_a_decompression_bomb_is_refused(tmp_path):
    header = b"IHDR" + struct.pack(">IIBBBBB", 20000, 20000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + bytes(4) + b"IDAT")
    with pytest.raises(ImageError, match=r"bomb\.png: has more than \d+ pixels"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "error", [MemoryError(), OSError("out of memory error when reading image file")]
)
@pytest.mark.parametrize("read", [read_image, read_mask_file])
def test_out_of_memory_is_not_the_fault_of_the_image(tmp_path, monkeypatch, error, read):
    Image.fromarray(RGB).save(tmp_path / "a.png")

    def load(self):
        raise error

    monkeypatch.setattr(Image.Image, "load", load)
    with pytest.raises(UserError, match=r"a\.png: out of memory while decoding it") as caught:
        read(tmp_path / "a.png")
    assert not isinstance(caught.value, ImageError)


def test_memory_that_the_system_refuses_is_reported_as_that(tmp_path):
    Image.new("RGBA", (4000, 4000)).save(tmp_path / "large.png")
    code = (
        "import resource, pathlib; from madf_jax.data.images import read_image\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + 2**25,) * 2)\n"
        f"read_image(pathlib.Path({str(tmp_path / 'large.png')!r}), 'large.png')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1].endswith(
        "UserError: large.png: out of memory while decoding it"
    )


def peak_of_reading(path):
    """Bytes that a process of its own takes to read an image, beyond those for a tiny one."""
    code = (
        "import sys, pathlib; from madf_jax.data.images import read_image\n"
        "from madf_jax.memory import peak_resident\n"
        "tiny, large = map(pathlib.Path, sys.argv[1:])\n"
        "read_image(tiny); before = peak_resident(); read_image(large)\n"
        "print(peak_resident() - before)"
    )
    tiny = path.with_name(f"tiny{path.suffix}")
    Image.open(path).resize((32, 32)).save(tiny)
    command = [sys.executable, "-c", code, str(tiny), str(path)]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)


@pytest.mark.parametrize(
    ("name", "mode", "more"),
    [
        ("a.png", "RGBA", {}),
        ("turned.png", "RGB", {"exif": {0x0112: 6}}),
        ("progressive.jpg", "RGB", {"progressive": True, "subsampling": 0}),
        ("a.webp", "RGBA", {"method": 0}),
        ("a.tif", "RGB", {"compression": "tiff_lzw"}),
    ],
)
def test_memory_to_decode_is_not_more_than_what_is_held_for_it(tmp_path, name, mode, more):
    if "exif" in more:
        exif = Image.Exif()
        exif.update(more["exif"])
        more = {"exif": exif}
    side = 2000
    Image.new(mode, (side, side), (9, 99, 199, 128)[: len(mode)]).save(tmp_path / name, **more)
    with Image.open(tmp_path / name) as image:
        held = decoding.working_bytes(image)
    spent = peak_of_reading(tmp_path / name)
    assert 4 * side**2 < spent < held < 25 * side**2


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_threads_that_decode_share_one_budget(tmp_path, monkeypatch, suffix):
    """The second waits while the first holds the memory; what fits beside it does not."""
    for name, side in (("large", 64), ("small", 8)):
        Image.new("RGB", (side, side)).save(tmp_path / f"{name}.{suffix}")
    with Image.open(tmp_path / f"large.{suffix}") as image:
        large = decoding.working_bytes(image)
    budget = MemoryBudget(large + large // 8)
    monkeypatch.setattr(images, "DECODING", budget)
    done = []

    def read(name):
        read_image(tmp_path / f"{name}.{suffix}")
        done.append(name)

    with budget.hold(large):
        threads = []
        for name in ("small", "large"):
            threads.append(threading.Thread(target=read, args=(name,)))
            threads[-1].start()
            if name == "small":
                threads[0].join(60)
        time.sleep(0.1)
        assert done == ["small"]
    threads[1].join(60)
    assert done == ["small", "large"]


def test_what_is_read_small_holds_little(tmp_path):
    Image.new("RGB", (800, 800)).save(tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as image:
        assert decoding.working_bytes(image, 8) < 17 * 800**2 < decoding.working_bytes(image)


def test_large_images_are_converted_in_parts_to_the_same_pixels(tmp_path, monkeypatch):
    rgba = np.random.default_rng(0).integers(0, 256, (41, 30, 4), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 5
    file = io.BytesIO()
    Image.fromarray(rgba).save(file, "PNG", exif=exif)
    whole = read_image(file, "a")
    monkeypatch.setattr(images, "PIXELS_AT_ONCE", 100)
    np.testing.assert_array_equal(read_image(file, "a"), whole)
    assert whole.shape == (30, 41, 3)

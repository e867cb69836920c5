"""Image files of every format and mode."""

import numpy as np
import pytest
from PIL import Image, ImageCms

MAKER, ORIENTATION = 0x010F, 0x0112


@pytest.fixture(scope="session")
def profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="session")
def exif():
    """A maker, the time of day in the camera's directory, and where it was."""
    block = Image.Exif()
    block[MAKER] = "Maker"
    block.get_ifd(0x8769)[0x9003] = "2020:01:01 00:00:00"
    block.get_ifd(0x8825)[1] = "N"
    return block.tobytes()


@pytest.fixture(scope="session")
def make_image():
    def make(mode="RGB", size=(21, 13), seed=0):
        generator = np.random.default_rng(seed)
        width, height = size
        match mode:
            case "I;16":
                return Image.fromarray(generator.integers(0, 65536, (height, width), np.uint16))
            case "I":
                return Image.fromarray(generator.integers(0, 65536, (height, width), np.int32))
            case "F":
                return Image.fromarray(generator.random((height, width)).astype(np.float32))
        pixels = generator.integers(0, 256, (height, width, 4), np.uint8)
        image = Image.fromarray(pixels, "RGBA")
        return image.convert("RGB").quantize(9) if mode == "P" else image.convert(mode)

    return make

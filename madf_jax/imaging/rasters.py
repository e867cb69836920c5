"""Images in memory of any kind as one: pixels, how they hold color, and the way back."""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.imaging.layouts import Bilevel, Color, Ink, Layout, Palette

InMemory = Image.Image | np.ndarray

# Channels of color, alpha, white.
_COLOR_MODES = {
    "L": Color(1, False, 255),
    "LA": Color(1, True, 255),
    "RGB": Color(3, False, 255),
    "RGBA": Color(3, True, 255),
    "I;16": Color(1, False, 65535),
    "I;16L": Color(1, False, 65535),
    "I;16B": Color(1, False, 65535),
    "I": Color(1, False, 65535),  # Pillow's older way to hold 16 bits
    "F": Color(1, False, 1),
}
_MODES = (*_COLOR_MODES, "1", "P", "CMYK")
_OVERSHOOT = 1e-3  # that arithmetic on floats in [0, 1] may leave


@dataclasses.dataclass(frozen=True)
class Raster:
    """An image as pixels.

    Attributes:
        pixels: (H, W, C) in the image's own dtype; not to be written to.
        layout: how they hold color.
        rebuild: makes an image of the kind that came in of other pixels of the same shape.
    """

    pixels: np.ndarray
    layout: Layout
    rebuild: Callable[[np.ndarray], Any]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.pixels.shape[0], self.pixels.shape[1]


def to_raster(image: InMemory, name: str = "image") -> Raster:
    """Reads an image in memory.

    Args:
        image: a PIL image (modes 1, L, LA, P, RGB, RGBA, CMYK, I;16, I and F), or an array (H, W)
            or (H, W, C) with C = 1 (gray), 2 (gray, alpha), 3 (RGB) or 4 (RGB, alpha) of bool,
            uint8, uint16 or float.
        name: what errors call it.

    Raises:
        UserError: another kind, mode, shape or dtype, or an animation.
    """
    if isinstance(image, Image.Image):
        raster = _from_pil(image, name)
    elif hasattr(image, "__array__"):
        raster = _from_array(np.asarray(image), name)
    else:
        raise UserError(
            f"{name}: is a {type(image).__name__}; give a PIL image, a NumPy array or a path"
        )
    if not raster.pixels.size:
        raise UserError(f"{name}: has shape {raster.pixels.shape}, not a single pixel")
    return raster


def check_values(raster: Raster, known: np.ndarray, name: str = "image") -> None:
    """Refuses values that are no brightness, such as floats up to 255; under a hole all will do.

    Args:
        raster: the image.
        known: (H, W), bool.
        name: what errors call it.

    Raises:
        UserError: there are such values; NaN is one.
    """
    if raster.pixels.dtype.kind not in "fi":
        return
    assert isinstance(raster.layout, Color)
    white = raster.layout.white
    values = raster.pixels[known]
    slack = _OVERSHOOT if raster.pixels.dtype.kind == "f" else 0
    if not np.all((values >= -slack) & (values <= white + slack)):
        raise UserError(
            f"{name}: has values from {values.min():g} to {values.max():g}; "
            f"scale them to [0, {white:g}]"
        )


def to_rgb(raster: Raster) -> np.ndarray:
    """An image as a viewer shows it who knows of no color profiles.

    Returns:
        (H, W, 3), uint8, over white.
    """
    color = np.multiply.reduce([plane / 255 for plane in raster.layout.planes(raster.pixels)])
    opacity = raster.layout.opacity(raster.pixels)[..., None]
    return np.rint(255 * (color * opacity + (1 - opacity))).astype(np.uint8)


def decode_still(image: Image.Image, name: str) -> None:
    """Decodes an image that a caller has opened, which may have left its pixels in the file.

    Raises:
        UserError: it is broken or an animation.
    """
    try:
        # A camera's JPEG may carry a preview or a depth map as a second frame.
        moves = getattr(image, "is_animated", False) and image.format != "MPO"
        if not moves:
            image.load()
    except Exception as error:  # broken files make decoders raise almost anything
        raise UserError(f"{name}: can't be decoded: {str(error) or type(error).__name__}") from None
    if moves:
        raise UserError(f"{name}: is an animation; give one frame, image.copy()")


def _from_pil(image: Image.Image, name: str) -> Raster:
    decode_still(image, name)
    if image.mode not in _MODES:
        raise UserError(
            f"{name}: has mode {image.mode}, not one of {', '.join(_MODES)}; "
            "convert it, for example by image.convert('RGB')"
        )
    layout = _COLOR_MODES.get(image.mode) or _other_layout(image)
    pixels = _with_channels(np.asarray(image))
    return Raster(pixels, layout, lambda painted: _to_pil(image, painted))


def _other_layout(image: Image.Image) -> Layout:
    if image.mode == "P":
        return _palette(image)
    return Bilevel() if image.mode == "1" else Ink()


def _palette(image: Image.Image) -> Palette:
    every_index = Image.new("P", (256, 1))
    every_index.palette, every_index.info = image.palette, dict(image.info)
    every_index.frombytes(bytes(range(256)))
    size = len(image.getpalette() or ()) // 3
    return Palette(np.asarray(every_index.convert("RGBA"))[0], max(1, min(size, 256)))


def _to_pil(image: Image.Image, pixels: np.ndarray) -> Image.Image:
    result = image.copy()  # with its palette and its metadata
    data = np.packbits(pixels[..., 0], axis=1) if image.mode == "1" else pixels
    result.frombytes(data.tobytes())
    return result


def _from_array(array: np.ndarray, name: str) -> Raster:
    pixels = _with_channels(array)
    if array.ndim not in (2, 3) or not 1 <= pixels.shape[-1] <= 4:
        raise UserError(
            f"{name}: has shape {array.shape}; give (H, W) or (H, W, C) with 1 to 4 channels last"
        )
    return Raster(pixels, _array_layout(pixels, name), lambda painted: painted.reshape(array.shape))


def _array_layout(pixels: np.ndarray, name: str) -> Layout:
    channels, dtype = pixels.shape[-1], pixels.dtype
    if dtype.kind == "b" and channels == 1:
        return Bilevel()
    whites = {"uint8": 255.0, "uint16": 65535.0}
    white = 1.0 if dtype.kind == "f" else whites.get(dtype.name)
    if white is None:
        raise UserError(f"{name}: has dtype {dtype.name}; give uint8, uint16, or floats in [0, 1]")
    return Color(3 if channels > 2 else 1, channels in (2, 4), white)


def _with_channels(array: np.ndarray) -> np.ndarray:
    return array[..., None] if array.ndim == 2 else array

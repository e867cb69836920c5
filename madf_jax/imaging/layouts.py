"""How the pixels of an image hold color: what the network reads of them, and what is written back.

Axes: pixels are (..., C) in the image's own dtype; planes are (..., 3), float32 RGB in [0, 255],
one or two for each image. Everything here works on pixels one by one, so a crop or a list of
pixels will do.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's mode L
_COLORS_AT_ONCE = 1 << 14


class Layout(Protocol):
    """What a kind of pixels must know."""

    def planes(self, pixels: np.ndarray) -> list[np.ndarray]:
        """What the network reads: RGB images that are painted each on its own."""

    def opacity(self, pixels: np.ndarray) -> np.ndarray:
        """float32 (...) in [0, 1]; where it is 0, a pixel has no color."""

    def painted(self, pixels: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray:
        """The pixels with the planes' colors; alpha is kept, and opaque where it was 0."""


@dataclasses.dataclass(frozen=True)
class Color:
    """Gray or RGB of any depth, with or without alpha.

    Attributes:
        channels: 1 for gray, 3 for RGB.
        alpha: whether one more channel holds opacity.
        white: the largest value, 65535 for example.
    """

    channels: int
    alpha: bool
    white: float

    def planes(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Gray is repeated; values beyond black and white are clipped."""
        color = pixels[..., : self.channels].astype(np.float32)
        if self.white != 255:
            color = np.clip(color * np.float32(255 / self.white), 0, 255)
        return [np.repeat(color, 3, axis=-1) if self.channels == 1 else color]

    def opacity(self, pixels: np.ndarray) -> np.ndarray:
        """Alpha."""
        if not self.alpha:
            return _opaque(pixels)
        return pixels[..., -1].astype(np.float32) / np.float32(self.white)

    def painted(self, pixels: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray:
        """Gray takes the luma."""
        (color,) = planes
        if self.channels == 1:
            color = (color @ LUMA)[..., None]
        painted = np.empty_like(pixels)
        painted[..., : self.channels] = _quantized(color, self.white, pixels.dtype)
        if self.alpha:
            opacity = pixels[..., -1]
            painted[..., -1] = np.where(opacity > 0, opacity, pixels.dtype.type(self.white))
        return painted


class Bilevel:
    """Black or white, bool (..., 1)."""

    def planes(self, pixels: np.ndarray) -> list[np.ndarray]:
        """Black is 0, white 255."""
        return [np.repeat(pixels.astype(np.float32) * 255, 3, axis=-1)]

    def opacity(self, pixels: np.ndarray) -> np.ndarray:
        """1 everywhere."""
        return _opaque(pixels)

    def painted(self, pixels: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray:
        """White where the luma is above the middle."""
        return (planes[0] @ LUMA)[..., None] > 127.5


class Ink:
    """CMYK, uint8 (..., 4), 255 = full ink.

    Colored inks and black are painted as two images: no conversion to RGB and back, which would
    need the profile of a press, shifts how the hole is separated against its surroundings.
    """

    def planes(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The three colored inks as the colors that they leave, and black as gray."""
        light = 255 - pixels.astype(np.float32)
        return [light[..., :3], np.repeat(light[..., 3:], 3, axis=-1)]

    def opacity(self, pixels: np.ndarray) -> np.ndarray:
        """1 everywhere."""
        return _opaque(pixels)

    def painted(self, pixels: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray:
        """The inks of both images."""
        colored, black = planes
        light = np.concatenate([colored, (black @ LUMA)[..., None]], axis=-1)
        return _quantized(255 - light, 255, pixels.dtype)


@dataclasses.dataclass(frozen=True)
class Palette:
    """Indices, uint8 (..., 1), into a table of colors.

    Attributes:
        table: (256, 4), uint8 RGBA.
        size: how many entries the image defines.
    """

    table: np.ndarray
    size: int

    def planes(self, pixels: np.ndarray) -> list[np.ndarray]:
        """The colors."""
        return [self.table[pixels[..., 0], :3].astype(np.float32)]

    def opacity(self, pixels: np.ndarray) -> np.ndarray:
        """That of the entries."""
        return self.table[pixels[..., 0], 3].astype(np.float32) / 255

    def painted(self, pixels: np.ndarray, planes: Sequence[np.ndarray]) -> np.ndarray:
        """The nearest of the colors that are there, the most opaque ones."""
        opacity = self.table[: self.size, 3]
        (entries,) = np.nonzero(opacity == opacity.max())
        colors = self.table[entries, :3].astype(np.float32)
        wanted = planes[0].reshape(-1, 3)
        found = [
            entries[_nearest(wanted[start : start + _COLORS_AT_ONCE], colors)]
            for start in range(0, len(wanted), _COLORS_AT_ONCE)
        ]
        return np.concatenate(found).astype(pixels.dtype).reshape(pixels.shape)


def _opaque(pixels: np.ndarray) -> np.ndarray:
    return np.ones(pixels.shape[:-1], np.float32)


def _nearest(wanted: np.ndarray, colors: np.ndarray) -> np.ndarray:
    # |wanted - colors|^2 less |wanted|^2, which is the same for all colors.
    return np.argmin(np.sum(colors**2, axis=-1) - 2 * wanted @ colors.T, axis=-1)


def _quantized(color: np.ndarray, white: float, dtype: np.dtype) -> np.ndarray:
    """Values in [0, 255] brought to [0, white], rounded if the dtype is one of integers."""
    scaled = color * np.float32(white / 255) if white != 255 else color
    return (np.rint(scaled) if dtype.kind in "iu" else scaled).astype(dtype)

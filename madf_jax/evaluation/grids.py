"""Examples as images to look at."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from madf_jax.errors import escape
from madf_jax.evaluation.evaluator import Example
from madf_jax.metrics.image_quality import psnr

_MIN_TILE = 192
_LINE = 16
_GRAY = np.uint8(128)


def draw_example(example: Example, network: str) -> Image.Image:
    """A row of tiles: masked, other methods, the network's output and composite, original.

    Above it stand the names of image and mask, and a label on each tile with the PSNR.

    Args:
        example: painted.
        network: the method whose output is shown, too, before compositing.
    """
    # Computed here: not every protocol has it.
    label = {
        name: f"{psnr(image, example.image):.1f} dB" for name, image in example.composites.items()
    }
    others = [
        (f"{name.replace('_', ' ')} {label[name]}", image)
        for name, image in example.composites.items()
        if name != network
    ]
    tiles = [
        ("masked", masked_image(example)),
        *others,
        ("output", example.painted[network]),
        (f"composite {label[network]}", example.composites[network]),
        ("original", example.image),
    ]
    return _labeled_row(f"{example.image_name}, mask {example.mask_name}", tiles)


def preview(examples: Sequence[Example], method: str) -> np.ndarray:
    """A grid with a row for each example: masked, painted, composite, original.

    Returns:
        (N * H, 4 * W, 3), uint8.
    """
    rows = [(masked_image(e), e.painted[method], e.composites[method], e.image) for e in examples]
    return image_rows(*map(np.stack, zip(*rows, strict=True)))


def image_rows(*columns: np.ndarray) -> np.ndarray:
    """Batches of images side by side: each (N, H, W, 3) to one (N * H, columns * W, 3)."""
    wide = np.concatenate(columns, axis=2)
    return wide.reshape(-1, *wide.shape[2:])


def masked_image(example: Example) -> np.ndarray:
    """The original with a gray hole: uint8 (H, W, 3)."""
    return np.where(example.mask > 0, example.image, _GRAY)


def _labeled_row(title: str, tiles: Sequence[tuple[str, np.ndarray]]) -> Image.Image:
    height, width = tiles[0][1].shape[:2]
    factor = max(1, round(_MIN_TILE / width))
    tile, header = (width * factor, height * factor), 2 * _LINE
    row = Image.new("RGB", (len(tiles) * tile[0], tile[1] + header), "white")
    draw = ImageDraw.Draw(row)
    draw.text((4, 2), escape(title), fill="black")
    for index, (label, image) in enumerate(tiles):
        # Nearest neighbor: the pixels that were scored, not a smoothed view of them.
        enlarged = Image.fromarray(image).resize(tile, Image.Resampling.NEAREST)
        row.paste(enlarged, (index * tile[0], header))
        draw.text((index * tile[0] + 4, _LINE + 2), label, fill="black")
    return row

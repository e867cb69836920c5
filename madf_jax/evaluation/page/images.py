"""Examples as images that lie in the page itself."""

import base64
import io
from collections.abc import Mapping

import numpy as np
from PIL import Image

from madf_jax.evaluation.grids import masked_image
from madf_jax.evaluation.page.elements import Element, element
from madf_jax.evaluation.ranking import Shown

LONGEST = 384
"""Pixels of the longer side that larger images are reduced to, so that the page can be mailed."""
GAIN = 4
"""How many times the difference is amplified."""
_QUALITY = 90
_SMALL = 128  # pixels


def example_figure(shown: Shown, method: str, headings: Mapping[str, str]) -> Element:
    """Masked image, output, original and their difference, and which example it is.

    Args:
        shown: the example.
        method: whose composite is the output.
        headings: of metrics.
    """
    example, scored = shown
    output = example.composites[method]
    tiles = {
        "masked": masked_image(example),
        "output": output,
        "original": example.image,
        f"difference x {GAIN}": _difference(output, example.image),
    }
    scores = scored.scores[method].items()
    caption = (
        f"{example.image_name}, mask {example.mask_name}, hole {100 * scored.share:.1f} %: "
        + ", ".join(f"{headings[metric]} {value:.4g}" for metric, value in scores)
    )
    row = element("div", *(_tile(*tile) for tile in tiles.items()), class_="tiles")
    return element("figure", row, element("figcaption", caption))


def data_uri(pixels: np.ndarray) -> str:
    """An image as the text of a URI: JPEG, its longer side at most `LONGEST` pixels.

    Args:
        pixels: (H, W, 3), uint8.
    """
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    # Colors at full resolution: halved, they would bleed over the edges of holes.
    image.save(stream, "JPEG", quality=_QUALITY, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(stream.getvalue()).decode()


def _tile(label: str, pixels: np.ndarray) -> Element:
    # Small images as the pixels they are, not smoothed.
    kind = "small" if max(pixels.shape[:2]) < _SMALL else "fine"
    image = element("img", src=data_uri(pixels), alt=label, class_=kind)
    return element("div", image, element("span", label))


def _difference(output: np.ndarray, original: np.ndarray) -> np.ndarray:
    difference = np.abs(output.astype(np.int16) - original)
    return np.minimum(GAIN * difference, 255).astype(np.uint8)

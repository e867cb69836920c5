"""How wide the holes were that weights were trained on, as far as their metadata says."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from madf_jax.data.masks import open_masks
from madf_jax.data.options import MaskOptions
from madf_jax.inference.distance import hole_width

# The published masks of the PyTorch reference have holes about this wide at this size.
DEFAULT_WIDTH, _DEFAULT_SIZE = 100.0, 512

_KEY = "trained_hole_width"
_MASKS = 64  # that are drawn
_QUANTILE = 0.75  # of their widths: beyond, too few were seen
_DRAWN_SIZE = 128  # pixels; a mask's lengths are shares of its side


def trained_width(metadata: Mapping[str, Any]) -> float:
    """What `scale="auto"` goes by.

    Args:
        metadata: of weights. 'trained_hole_width' says it outright, in pixels; otherwise 'config'
            has the sections `data` and `masks` of the training.

    Returns:
        A width in pixels that three of four training masks stay below; without metadata, that of
        the PyTorch reference's published masks.
    """
    stated = metadata.get(_KEY)
    if isinstance(stated, int | float) and stated > 0:
        return float(stated)
    try:
        size = float(metadata["config"]["data"]["size"])
        masks = MaskOptions(**metadata["config"]["masks"])
    except (KeyError, TypeError, ValueError):  # of another version, or not of a training
        return DEFAULT_WIDTH
    share = _drawn_share(masks) if masks.source == "generator" else DEFAULT_WIDTH / _DEFAULT_SIZE
    return share * size


def _drawn_share(options: MaskOptions) -> float:
    """The width as a share of the image's side, from masks as the training drew them."""
    draw, rng = open_masks(options), np.random.default_rng(0)
    widths = [hole_width(draw(rng, _DRAWN_SIZE)[..., 0] == 0) for _ in range(_MASKS)]
    return float(np.quantile(widths, _QUANTILE)) / _DRAWN_SIZE

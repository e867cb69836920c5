"""The mask generators by name, and those of other projects as masks of this one."""

import dataclasses

import numpy as np

from madf_jax.data.comodgan_masks import COMODGAN
from madf_jax.data.holes import Draw, draw_within, pixel_bounds
from madf_jax.data.lama_masks import LAMA

STROKES = "strokes"
GENERATORS = (STROKES, *LAMA, *COMODGAN)
"""Names of all generators; the first one is the project's own and the default."""

_TRIES = 200


@dataclasses.dataclass(frozen=True)
class PublishedMasks:
    """Masks of another project's generator whose share of hole lies within given bounds.

    Masks are drawn until one is within the bounds, so that those that are keep the distribution of
    the generator. Only if 200 in a row are not, the last one is grown or shrunk.

    Attributes:
        generator: its name, one of `GENERATORS` but for the first.
        hole_min: smallest share of hole pixels.
        hole_max: largest share.
    """

    generator: str
    hole_min: float = 0.1
    hole_max: float = 0.4

    def __call__(self, rng: np.random.Generator, size: int, index: int = 0) -> np.ndarray:
        """Draws one mask, uint8 (size, size, 1), 1 = known; `index` is ignored."""
        bounds = pixel_bounds(self.hole_min, self.hole_max, size)
        return 1 - draw_within(self._draw, rng, size, bounds, _TRIES)[..., None]

    def name(self, index: int) -> str:
        """`generated-INDEX`: with the seed of the evaluation it determines the mask."""
        return f"generated-{index}"

    @property
    def _draw(self) -> Draw:
        if self.generator in COMODGAN:
            return COMODGAN[self.generator].for_shares(self.hole_min, self.hole_max)
        return LAMA[self.generator]

"""Masks for grain pipelines of one's own."""

import dataclasses
from typing import Any

import grain
import numpy as np

from madf_jax.data.masks import Masks


@dataclasses.dataclass(frozen=True)
class AddMask(grain.transforms.RandomMap):
    """Adds a random `mask` to elements with an `image`: `dataset.seed(7).random_map(AddMask(m))`.

    Images are arrays (S, S, C); the mask is uint8 (S, S, 1), 1 = known, and depends on the seed of
    the dataset and the element's place in it.

    Attributes:
        masks: `make_generator(MaskOptions(generator="lama_thick_512"))`, or any other `Masks`.
    """

    masks: Masks

    def random_map(self, element: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
        """The element with its mask.

        Raises:
            ValueError: the image is not square.
        """
        height, width = element["image"].shape[:2]
        if height != width:
            raise ValueError(f"masks are square, and the image is {width}x{height}; crop it first")
        return {**element, "mask": self.masks(rng, height)}

"""Where masks come from: drawn on the fly or read from a folder, as the pipeline uses them."""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from madf_jax.data.generators import STROKES, PublishedMasks
from madf_jax.data.mask_folder import MaskFolder, PairedMasks
from madf_jax.data.mask_variation import MaskVariation
from madf_jax.data.options import MaskOptions
from madf_jax.data.strokes import StrokesAndBoxes
from madf_jax.errors import UserError


class Masks(Protocol):
    """A source of masks, as the pipeline uses it."""

    def __call__(self, rng: np.random.Generator, size: int, index: int = 0) -> np.ndarray:
        """The mask for example `index`, uint8 (size, size, 1), 1 = known."""

    def name(self, index: int) -> str:
        """Name, in reports, of the mask of held-out example `index`."""


def open_masks(options: MaskOptions, *, images: Sequence[str] | None = None) -> Masks:
    """Opens the masks that section `masks` names, and logs what was found.

    Args:
        options: the section.
        images: names of the held-out images, which masks of a folder are paired with; None for
            training, where masks are drawn at random.

    Raises:
        UserError: the folder is missing or unusable.
    """
    if options.source == "generator":
        return make_generator(options)
    key = "train_path" if images is None else "evaluation_path"
    directory = getattr(options, key)
    if not directory:
        raise UserError(f"masks.source = 'folder' needs masks.{key}, a folder of masks")
    folder = MaskFolder(
        directory,
        options.hole,
        options.rotate_degrees,
        options.flip,
        threshold=options.threshold,
        variation=MaskVariation(options.dilate, options.translate, options.crop),
        key=f"masks.{key}",
    )
    return folder if images is None else PairedMasks(folder, images)


def make_generator(options: MaskOptions) -> StrokesAndBoxes | PublishedMasks:
    """The generator that section `masks` describes."""
    if options.generator != STROKES:
        return PublishedMasks(options.generator, options.hole_min, options.hole_max)
    fields = [field.name for field in dataclasses.fields(StrokesAndBoxes)]
    return StrokesAndBoxes(**{name: getattr(options, name) for name in fields})

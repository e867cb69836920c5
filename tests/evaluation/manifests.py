"""Small folders of images and masks, and a manifest of them."""

import dataclasses

import numpy as np
from PIL import Image

from madf_jax.evaluation.manifest import write_manifest
from madf_jax.evaluation.manifest_making import make_manifest
from madf_jax.evaluation.manifest_pairs import ManifestOptions

SIZE = 16


def save_images(directory, names, size=SIZE, seed=0):
    """Images of noise."""
    rng = np.random.default_rng(seed)
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (size, size, 3), np.uint8)
        Image.fromarray(pixels).save(directory / name)


def save_mask(path, columns, size=SIZE):
    """A black bar of so many columns at the left, beside white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    gray = np.full((size, size), 255, np.uint8)
    gray[:, :columns] = 0
    Image.fromarray(gray).save(path)


def options_of(root, masks="strokes", **changes):
    """Options for the images in `root / "images"`."""
    options = ManifestOptions(root / "images", masks, root / "test.masks", seed=3)
    return dataclasses.replace(options, **changes)


def write(root, **changes):
    """Makes a manifest, writes it and returns its path."""
    path = root / "test.jsonl"
    write_manifest(path, make_manifest(options_of(root, **changes)))
    return path

"""Assigns masks to images by their names."""

import collections
from collections.abc import Sequence
from pathlib import PurePosixPath

from madf_jax.data.listing import image_of_mask, stem_of


def pair_by_name(images: Sequence[str], masks: Sequence[str]) -> list[list[int]]:
    """Finds the masks of each image.

    A mask belongs to the image `X` if it is named `X`, `X_mask`, `X-mask` or `X_mask001`, with any
    suffix, and lies in the same subfolder, or in any other if images of that name lie in one only.
    It belongs to all images whose names differ by the suffix alone.

    Args:
        images: names with subfolders.
        masks: likewise.

    Returns:
        For each image, the indices of its masks in the given order; empty if it has none.
    """
    by_path: dict[str, list[int]] = {}
    for index, name in enumerate(images):
        by_path.setdefault(stem_of(name), []).append(index)
    bases = collections.Counter(PurePosixPath(stem).name for stem in by_path)
    by_base = {
        base: indices
        for stem, indices in by_path.items()
        if bases[base := PurePosixPath(stem).name] == 1
    }
    found: list[list[int]] = [[] for _ in images]
    for mask, name in enumerate(masks):
        stem = stem_of(name)
        for table, text in ((by_path, stem), (by_base, PurePosixPath(stem).name)):
            owners = table.get(text) or table.get(image_of_mask(text) or "") or []
            for image in owners:
                found[image].append(mask)
            if owners:
                break
    return found

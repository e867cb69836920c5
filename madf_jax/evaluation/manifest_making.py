"""Making a manifest: from a folder of images, and a folder of masks or a generator."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from madf_jax.data.images import read_image
from madf_jax.data.listing import count_of, list_images, summarize
from madf_jax.data.mask_files import read_mask_file
from madf_jax.errors import UserError
from madf_jax.evaluation.buckets import bucket_name
from madf_jax.evaluation.manifest import LARGEST, SMALLEST, Entry, Manifest, sha256_of
from madf_jax.evaluation.manifest_examples import share_of
from madf_jax.evaluation.manifest_pairs import (
    ManifestOptions,
    Pair,
    names_outside,
    pair_by_list,
    pair_with_drawn,
    pair_with_folder,
)
from madf_jax.evaluation.many_files import SHOWN, map_files

SUSPICIOUS_HOLE = 0.6
"""Mean share of hole above which a folder's masks are refused unless their hole was named."""

_FIX = "fix or remove them"


def make_manifest(options: ManifestOptions) -> Manifest:
    """Reads all images and masks, pairs them, and draws masks if that is asked for.

    Raises:
        UserError: a folder or a file can't be used, images have several sizes and none was chosen,
            masks and images don't fit together, or masks seem to be the wrong way round; the
            message names what is wrong.
    """
    listed = pair_by_list(options, options.pairs) if options.pairs else []
    names = list(dict.fromkeys(pair.image for pair in listed)) or _list_images(options)
    size = _common_size(options, names)
    if isinstance(options.masks, Path):
        root, generator, pairs = options.masks, "", listed or pair_with_folder(options, names)
    else:
        root, generator = options.drawn, options.masks
        pairs = pair_with_drawn(options, names, size)
    return Manifest(
        images=options.images,
        masks=root,
        hole=options.hole or "black",
        size=size,
        crop=options.crop,
        seed=options.seed,
        generator=generator,
        entries=_entries(options, root, pairs, size),
    )


def _entries(
    options: ManifestOptions, root: Path, pairs: Sequence[Pair], size: int
) -> tuple[Entry, ...]:
    shares = _hole_shares(options, root, sorted({pair.mask for pair in pairs}), size)
    images = _hashes(options.images, {pair.image for pair in pairs})
    masks = _hashes(root, set(shares))
    return tuple(
        Entry(
            id=pair.id,
            image=pair.image,
            mask=pair.mask,
            share=shares[pair.mask],
            bucket=bucket_name(shares[pair.mask]),
            seed=pair.seed,
            image_sha256=images[pair.image],
            mask_sha256=masks[pair.mask],
        )
        for pair in pairs
    )


def _list_images(options: ManifestOptions) -> list[str]:
    listing = list_images(options.images, "--images")
    masks = [options.masks] if isinstance(options.masks, Path) else []
    names = names_outside(options.images, listing.names, options.drawn, *masks)
    if not names:
        raise UserError(f"--images={options.images}: holds no images besides masks")
    listing.log(f"--images={options.images}: {count_of(len(names), 'image')}")
    return names


def _common_size(options: ManifestOptions, names: list[str]) -> int:
    """The size to score at. Decodes every image, so that none turns out to be broken later."""
    found = map_files(lambda name: _decoded_size(options.images / name), names, "images", _FIX)
    sizes = dict(zip(names, found, strict=True))
    if options.size:
        return options.size
    (_, first), others = next(iter(sizes.items())), set(sizes.values())
    if len(others) == 1 and first[0] == first[1] and SMALLEST <= first[0] <= LARGEST:
        return first[0]
    shown = [f"{name} ({width}x{height})" for name, (width, height) in sizes.items()]
    raise UserError(
        f"--images={options.images}: images are not squares of one size, {SMALLEST} to {LARGEST} "
        f"pixels: {summarize(shown)}; name the side that they are scored at, --size=512 for example"
    )


def _decoded_size(path: Path) -> tuple[int, int]:
    height, width = read_image(path).shape[:2]
    return width, height


def _hole_shares(
    options: ManifestOptions, root: Path, names: Sequence[str], size: int
) -> dict[str, float]:
    hole = options.hole or "black"

    def measure(name: str) -> float:
        return share_of(read_mask_file(root / name).mask(hole, size))

    found = map_files(measure, names, "masks", _FIX)
    shares = dict(zip(names, found, strict=True))
    mean, other = float(np.mean(found)), "white" if hole == "black" else "black"
    if options.hole is None and mean > SUSPICIOUS_HOLE:
        raise UserError(
            f"--masks={options.masks}: if black marks the hole, masks are {100 * mean:.0f} % hole "
            "on average. If white marks it, give --hole=white; if they shall be so, --hole=black"
        )
    if useless := [name for name, share in shares.items() if share in (0, 1)]:
        raise UserError(
            f"--masks={options.masks}: {len(useless)} of {count_of(len(names), 'mask')} are all "
            f"{hole} or all {other}: {summarize(useless, SHOWN)}; remove them"
        )
    return shares


def _hashes(root: Path, names: Collection[str]) -> dict[str, str]:
    return dict(
        zip(names, map_files(lambda n: sha256_of(root / n), names, "hash", _FIX), strict=True)
    )

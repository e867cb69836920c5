"""Which image of a manifest is scored with which mask."""

import collections
import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from absl import logging
from PIL import Image

from madf_jax.data.listing import count_of, list_masks, stem_of, summarize
from madf_jax.data.masks import make_generator
from madf_jax.data.options import MaskOptions
from madf_jax.data.pairing import pair_by_name
from madf_jax.errors import UserError, escape
from madf_jax.evaluation.manifest import SEEDS
from madf_jax.evaluation.many_files import map_files
from madf_jax.evaluation.pair_list import read_pair_list
from madf_jax.files import write_whole


@dataclasses.dataclass(frozen=True)
class ManifestOptions:
    """What a manifest is made of.

    Attributes:
        images: folder of the images.
        masks: folder of masks, or the name of a generator.
        drawn: directory that generated masks are written to.
        seed: of the masks that are drawn, or of their assignment to images.
        size: side in pixels that examples are scored at; None for that of all images.
        crop: how an image becomes a square: 'squash' or 'center'.
        count: number of examples; 0 = every image once, or once with each mask of its name.
        hole: the color that marks the hole in mask files; None for black, which is then checked.
        pairing: 'name' takes the masks that have an image's name, 'random' any mask, 'auto'
            whichever fits all images.
        shares: least and most share of hole of generated masks.
        pairs: file of pairs (`pair_list`), instead of all images and of `pairing`.
    """

    images: Path
    masks: Path | str
    drawn: Path
    seed: int = 0
    size: int | None = None
    crop: str = "squash"
    count: int = 0
    hole: Literal["black", "white"] | None = None
    pairing: str = "auto"
    shares: tuple[float, float] = (0.01, 0.6)
    pairs: Path | None = None


class Pair(NamedTuple):
    """One example.

    Attributes:
        id: unique.
        image: relative to the images' root.
        mask: relative to the masks' root.
        seed: of the example.
    """

    id: str
    image: str
    mask: str
    seed: int


def pair_with_folder(options: ManifestOptions, images: Sequence[str]) -> list[Pair]:
    """Pairs images with masks of the folder `options.masks`.

    Raises:
        UserError: the folder can't be used, or not all images have a mask and others are wanted.
    """
    root = Path(options.masks)
    listing = list_masks(root, "--masks")
    masks = names_outside(root, listing.names, options.images)
    if not masks:
        raise UserError(f"--masks={root}: holds no masks besides the images")
    listing.log(f"--masks={root}: {count_of(len(masks), 'mask')}")
    own = pair_by_name(images, masks)
    if _is_by_name(options, images, own):
        whole = [(image, masks[i]) for image, found in zip(images, own, strict=True) for i in found]
        count = options.count or len(whole)
        if count > len(whole):
            raise UserError(f"--count={count}: there are {len(whole)} pairs of the same name")
        chosen = whole[:count]
    else:
        drawn = _shuffles(len(masks), options.seed)
        chosen = [(image, masks[next(drawn)]) for image in _repeated(images, options.count)]
    ids = make_ids([image for image, _ in chosen])
    return [Pair(id, *chosen[index], _seed(options.seed, index)) for index, id in enumerate(ids)]


def pair_by_list(options: ManifestOptions, path: Path) -> list[Pair]:
    """The pairs of a list, or the first `options.count` of them.

    Raises:
        UserError: the list can't be used, has fewer pairs, or masks are drawn.
    """
    if not isinstance(options.masks, Path):
        raise UserError(f"--list={path}: needs --masks=DIR, the folder that its masks are in")
    listed = read_pair_list(path, options.images, options.masks)
    count = options.count or len(listed)
    if count > len(listed):
        raise UserError(f"--count={count}: --list={path} has {count_of(len(listed), 'pair')}")
    ids = make_ids([image for image, _ in listed[:count]])
    return [Pair(id, *listed[index], _seed(options.seed, index)) for index, id in enumerate(ids)]


def pair_with_drawn(options: ManifestOptions, images: Sequence[str], size: int) -> list[Pair]:
    """Draws a mask for each example by its seed and writes it below `options.drawn`.

    Raises:
        UserError: a mask can't be written.
    """
    chosen = _repeated(images, options.count)
    ids = make_ids(chosen)
    pairs = [
        Pair(id, chosen[index], f"{id}.png", _seed(options.seed, index))
        for index, id in enumerate(ids)
    ]
    least, most = options.shares
    draw = make_generator(MaskOptions(generator=str(options.masks), hole_min=least, hole_max=most))

    def write(pair: Pair) -> None:
        mask = draw(np.random.default_rng(pair.seed), size)
        save_mask(options.drawn / pair.mask, mask, options.hole or "black")

    map_files(write, pairs, "draw masks", "name another --output")
    return pairs


def names_outside(root: Path, names: Sequence[str], *others: Path) -> list[str]:
    """The names that are not of files in one of some directories below `root`."""
    root = root.resolve()
    inside = [other for other in (path.resolve() for path in others) if root in other.parents]
    return [
        name for name in names if not any((root / name).is_relative_to(other) for other in inside)
    ]


def save_mask(path: Path, mask: np.ndarray, hole: str) -> None:
    """Writes a mask, uint8 (S, S, 1), 1 = known, as a PNG in which a color marks the hole.

    Raises:
        UserError: it can't be written.
    """
    known = mask[..., 0] if hole == "black" else 1 - mask[..., 0]
    write_whole(path, Image.fromarray(255 * known).save)


def make_ids(images: Sequence[str]) -> list[str]:
    """Names of images without suffix; where an image occurs several times, `NAME-1` and so on."""
    stems = list(map(stem_of, images))
    total, seen = collections.Counter(stems), collections.Counter[str]()
    taken = {stem for stem, count in total.items() if count == 1}
    ids = []
    for stem in stems:
        id = stem
        while total[stem] > 1 and (id == stem or id in taken):
            seen[stem] += 1
            id = f"{stem}-{seen[stem]}"
        taken.add(id)
        ids.append(id)
    return ids


def _seed(seed: int, index: int) -> int:
    """The seed of an example, whatever the number of examples."""
    (state,) = np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)
    return int(state) % SEEDS


def _shuffles(length: int, seed: int) -> Iterator[int]:
    """Endless indices: each round is another permutation, so that all are used alike."""
    rng = np.random.default_rng(seed)
    while True:
        yield from map(int, rng.permutation(length))


def _is_by_name(
    options: ManifestOptions, images: Sequence[str], own: Sequence[Sequence[int]]
) -> bool:
    unnamed = [name for name, found in zip(images, own, strict=True) if not found]
    if options.pairing == "random" or (options.pairing == "auto" and len(unnamed) == len(images)):
        logging.info("%s", escape("masks are assigned to images at random, by the seed"))
        return False
    if unnamed:
        raise UserError(
            f"--masks={options.masks}: {len(unnamed)} of {count_of(len(images), 'image')} have no "
            f"mask of their name, such as X_mask.png for X.jpg: {summarize(unnamed)}; add them, or "
            "assign masks by --pairing=random"
        )
    logging.info("%s", "each image is paired with the masks of its name")
    return True


def _repeated(images: Sequence[str], count: int) -> list[str]:
    return [images[i % len(images)] for i in range(count or len(images))]

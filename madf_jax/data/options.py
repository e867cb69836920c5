"""What a user may choose about data: the keys of the sections `data`, `masks` and `loader`.

A wrong value raises `UserError` that names the key as the user writes it and what is allowed.
"""

import dataclasses
import os

from madf_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """Section `data`: where images come from and how one becomes a square of `size` pixels."""

    source: str = "photos"  # 'photos' (ship with scikit-image and scikit-learn), 'folder' or 'tfds'
    train_path: str = ""  # folder of training images, for 'folder'
    evaluation_path: str = ""  # folder of held-out images, for 'folder'
    tfds_name: str = ""  # e.g. 'celeb_a', 'places365_small', for 'tfds'
    tfds_dir: str = ""  # where it is prepared; '' is TFDS's own default
    train_split: str = "train"
    evaluation_split: str = "validation"
    bad_files: str = "skip"  # 'skip' (with a warning that names them) or 'refuse'
    check_files: str = "decode"  # 'decode' every image at the start, or only its 'header'
    max_bad_share: float = 0.5  # with 'skip': share of bad files past which it is refused
    min_side: int = 32  # pixels; an image with a shorter side is a bad file
    size: int = 256  # pixels, side of the square the network sees
    resize_min: int = 286  # pixels; the shorter side is resized to a length drawn between
    resize_max: int = 286  # resize_min and resize_max, both included
    flip: bool = True  # mirror half of the training images
    channel_jitter: float = 0.0  # training: swap channels at random and darken each by up to this
    evaluation_crop: str = "random"  # 'random' (fixed by index), 'center' or 'squash'

    def __post_init__(self) -> None:
        """Raises UserError that names the first wrong key."""
        _one_of("data.source", self.source, ("photos", "folder", "tfds"))
        _one_of("data.bad_files", self.bad_files, ("skip", "refuse"))
        _one_of("data.check_files", self.check_files, ("decode", "header"))
        _one_of("data.evaluation_crop", self.evaluation_crop, ("random", "center", "squash"))
        _at_least("data.min_side", self.min_side, 1)
        _at_least("data.size", self.size, 16)
        if not 0 <= self.max_bad_share <= 1:
            raise UserError(
                f"data.max_bad_share must lie between 0 and 1, got {self.max_bad_share}"
            )
        if not 0 <= self.channel_jitter < 1:
            raise UserError(
                f"data.channel_jitter must be at least 0 and below 1, got {self.channel_jitter}"
            )
        if not self.size <= self.resize_min <= self.resize_max:
            raise UserError(
                "data.size <= data.resize_min <= data.resize_max must hold, got "
                f"{self.size}, {self.resize_min}, {self.resize_max}"
            )
        if self.source == "tfds" and not self.tfds_name:
            raise UserError("data.source = 'tfds' needs data.tfds_name, for example 'celeb_a'")


@dataclasses.dataclass(frozen=True)
class MaskOptions:
    """Section `masks`: holes drawn on the fly, or a folder of mask images."""

    source: str = "generator"  # 'generator' or 'folder'
    train_path: str = ""  # folder of masks for training, for 'folder'
    evaluation_path: str = ""  # folder of masks for evaluation, for 'folder'
    hole: str = "black"  # which color marks the hole in mask files: 'black' or 'white'
    rotate_degrees: float = 10.0  # training: a mask file is turned by up to this much either way
    flip: bool = True  # training: mirror half of the mask files
    hole_min: float = 0.1  # generator: least share of the image that is hole
    hole_max: float = 0.4  # generator: greatest share
    strokes: tuple[int, int] = (1, 5)  # generator: fewest and most brush strokes
    stroke_width: tuple[float, float] = (0.05, 0.15)  # share of the image's side
    boxes: tuple[int, int] = (0, 2)  # generator: fewest and most boxes
    box_side: tuple[float, float] = (0.1, 0.4)  # share of the image's side

    def __post_init__(self) -> None:
        """Raises UserError that names the first wrong key."""
        _one_of("masks.source", self.source, ("generator", "folder"))
        _one_of("masks.hole", self.hole, ("black", "white"))
        for name, most in (("strokes", 100), ("stroke_width", 1), ("boxes", 100), ("box_side", 1)):
            pair = tuple(getattr(self, name))
            object.__setattr__(self, name, pair)  # a list from a config is as good
            if len(pair) != 2 or not 0 <= pair[0] <= pair[1] <= most:
                raise UserError(
                    f"masks.{name} must be (least, greatest) between 0 and {most}, got {pair}"
                )
        if not 0 <= self.rotate_degrees <= 180:
            raise UserError(
                f"masks.rotate_degrees must lie between 0 and 180, got {self.rotate_degrees}"
            )
        if not (self.hole_min > 0 and self.hole_min + 0.01 <= self.hole_max <= 1):
            raise UserError(
                "masks.hole_min must be above 0, masks.hole_max at least 0.01 more and at most 1, "
                f"got {self.hole_min} and {self.hole_max}"
            )
        if self.strokes[1] + self.boxes[1] == 0:
            raise UserError("masks.strokes and masks.boxes allow no hole: raise one upper bound")


@dataclasses.dataclass(frozen=True)
class LoaderOptions:
    """Section `loader`: how many hands prepare batches; never changes what is in them."""

    num_threads: int = 0  # threads in each process that make batches; 0 = one a core, 16 at most
    num_workers: int = 0  # 0 = threads only, else that many processes of num_threads threads
    prefetch: int = 8  # batches kept ready in each process, but at least one for each thread

    def __post_init__(self) -> None:
        """Raises UserError that names the first wrong key."""
        _at_least("loader.num_threads", self.num_threads, 0)
        _at_least("loader.num_workers", self.num_workers, 0)
        _at_least("loader.prefetch", self.prefetch, 1)

    @property
    def threads(self) -> int:
        """How many threads of a process make batches."""
        return self.num_threads or min(16, os.cpu_count() or 1)


def _one_of(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise UserError(f"{key} must be one of {', '.join(map(repr, allowed))}, got {value!r}")


def _at_least(key: str, value: int, least: int) -> None:
    if value < least:
        raise UserError(f"{key} must be at least {least}, got {value}")

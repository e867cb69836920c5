"""What a user may choose about data: the keys of the sections `data`, `masks` and `loader`."""

import dataclasses
import os
from typing import Literal

from madf_jax.data.generators import GENERATORS, STROKES
from madf_jax.data.mask_files import THRESHOLD
from madf_jax.errors import UserError
from madf_jax.options import check, option

_FILES = "which files are read"
_SPEED = "speed and memory"


@dataclasses.dataclass(frozen=True)
class ImageOptions:
    """Section `data`: where images come from and how one becomes a square of `size` pixels."""

    source: Literal["photos", "folder", "packed", "tfds"] = option(
        "photos", "'photos' (embedded), 'folder', 'packed' or 'tfds'"
    )
    train_path: str = option(
        "", "folder, packed: images to train on", path=True, free=_FILES, per_process=True
    )
    evaluation_path: str = option(
        "", "folder, packed: held-out images", path=True, free=_FILES, per_process=True
    )
    tfds_name: str = option("", "tfds: 'places365_small', 'celeb_a', 'celeb_a_hq', ...")
    tfds_dir: str = option(
        "",
        "tfds: where it was prepared; '' = TFDS's own folder",
        path=True,
        free=_FILES,
        per_process=True,
    )
    train_split: str = option("train", "tfds: split to train on")
    evaluation_split: str = option("validation", "tfds: split that is held out")
    bad_files: Literal["skip", "refuse"] = option(
        "skip", "folder: 'skip' (with a warning) or 'refuse'", free=_FILES
    )
    check_files: Literal["decode", "header"] = option(
        "decode",
        "folder: at the start, 'decode' files or read the 'header'",
        free="when a bad file is found",
    )
    max_bad_share: float = option(
        0.5,
        "folder: share of bad files past which a run stops",
        minimum=0,
        maximum=1,
        free="when the run stops",
    )
    min_side: int = option(
        32, "folder: pixels; an image with a shorter side is a bad file", minimum=1
    )
    size: int = option(512, "pixels, height and width of a crop", minimum=16)
    resize_min: int = option(572, "pixels, the shorter side before the crop, at least", minimum=16)
    resize_max: int = option(572, "likewise, at most; drawn uniformly between the two", minimum=16)
    flip: bool = option(True, "flip half of the training images left to right")
    channel_jitter: float = option(
        0.0, "training: swap channels, darken each by up to this share", minimum=0, below=1
    )
    evaluation_crop: Literal["squash", "center", "random"] = option(
        "squash", "'squash' the whole image, 'center' or 'random' crop"
    )

    def __post_init__(self) -> None:
        """Raises UserError that names the first wrong key."""
        check("data", self)
        if not self.size <= self.resize_min <= self.resize_max:
            raise UserError(
                f"data.size is {self.size}, data.resize_min {self.resize_min}, data.resize_max "
                f"{self.resize_max}; use data.size <= data.resize_min <= data.resize_max"
            )
        if self.source == "tfds" and not self.tfds_name:
            raise UserError("data.tfds_name is ''; data.source='tfds' needs one, such as 'celeb_a'")


@dataclasses.dataclass(frozen=True)
class MaskOptions:
    """Section `masks`: holes drawn on the fly, or a folder of mask images."""

    source: Literal["generator", "folder"] = option("generator", "'generator' or 'folder'")
    generator: str = option(
        STROKES, "generator: 'strokes', or one of another project", choices=GENERATORS
    )
    train_path: str = option(
        "", "folder: masks to train on", path=True, free=_FILES, per_process=True
    )
    evaluation_path: str = option(
        "", "folder: masks to evaluate on", path=True, free=_FILES, per_process=True
    )
    hole: Literal["black", "white"] = option(
        "black", "folder: which value is the hole, 'black' (0) or 'white' (255)"
    )
    rotate_degrees: float = option(
        10.0,
        "folder: largest rotation in training; corners become hole",
        minimum=0,
        maximum=180,
    )
    flip: bool = option(True, "folder: flip half of the training masks")
    threshold: int = option(
        THRESHOLD, "folder: highest gray level that is black", minimum=0, maximum=254
    )
    dilate: tuple[float, float] = option(
        (0.0, 0.0),
        "folder, training: brush along a hole, shares of a side",
        minimum=0,
        maximum=0.5,
    )
    translate: float = option(
        0.0, "folder, training: largest shift, share of a side", minimum=0, maximum=0.5
    )
    crop: tuple[float, float] = option(
        (1.0, 1.0),
        "folder, training: part that is used, shares of a side",
        minimum=0.1,
        maximum=1,
    )
    hole_min: float = option(
        0.1, "generator: share of the image that is hole, at least", above=0, maximum=1
    )
    hole_max: float = option(0.4, "generator: likewise, at most", above=0, maximum=1)
    strokes: tuple[int, int] = option(
        (1, 5), "'strokes': fewest and most brush strokes", minimum=0, maximum=100
    )
    stroke_width: tuple[float, float] = option(
        (0.05, 0.15),
        "'strokes': least and most, share of a side",
        minimum=0,
        maximum=1,
    )
    boxes: tuple[int, int] = option(
        (0, 2), "'strokes': fewest and most boxes", minimum=0, maximum=100
    )
    box_side: tuple[float, float] = option(
        (0.1, 0.4), "'strokes': least and most, share of a side", minimum=0, maximum=1
    )

    def __post_init__(self) -> None:
        """Raises UserError that names the first wrong key."""
        check("masks", self)
        for name in ("dilate", "crop", "strokes", "stroke_width", "boxes", "box_side"):
            least, greatest = getattr(self, name)
            if least > greatest:
                raise UserError(f"masks.{name} is {(least, greatest)}; use (LEAST, GREATEST)")
        if self.hole_min + 0.01 > self.hole_max:
            raise UserError(
                f"masks.hole_min is {self.hole_min} and masks.hole_max {self.hole_max}; "
                "use a masks.hole_max that is at least 0.01 more"
            )
        if self.strokes[1] + self.boxes[1] == 0:
            raise UserError(
                f"masks.strokes is {self.strokes} and masks.boxes {self.boxes}, which allows no "
                "hole; use a second number of 1 or more in one of them"
            )


@dataclasses.dataclass(frozen=True)
class LoaderOptions:
    """Section `loader`: how batches are prepared; never changes what is in them."""

    num_threads: int = option(
        0,
        "reading threads; 0 = one for each core, 16 at most",
        minimum=0,
        free=_SPEED,
        per_process=True,
    )
    prefetch: int = option(
        8,
        "batches read ahead, but at least one for each thread",
        minimum=1,
        free=_SPEED,
        per_process=True,
    )

    def __post_init__(self) -> None:
        """Raises UserError that names the first wrong key."""
        check("loader", self)

    @property
    def threads(self) -> int:
        """How many threads of a process make batches."""
        return self.num_threads or min(16, os.cpu_count() or 1)

"""The one class that fills holes in images of any kind."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, overload

import numpy as np
from absl import logging
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.files import local_path
from madf_jax.imaging.masks import HoleColor
from madf_jax.imaging.rasters import InMemory, Raster
from madf_jax.inference.inputs import AnyImage, as_list, name_of, read_pair
from madf_jax.inference.painting import PaintOptions, paint_rasters
from madf_jax.inference.programs import open_program
from madf_jax.inference.sizes import AnySize, Program
from madf_jax.inference.trained_width import DEFAULT_WIDTH
from madf_jax.inference.trained_width import trained_width as read_width

if TYPE_CHECKING:
    from madf_jax.network import MADF

PathLike = str | os.PathLike[str]


class _Settings(TypedDict, total=False):
    """The settings of an `Inpainter` besides the network, for type checkers."""

    batch_size: int | None
    memory_limit: float


class _Options(TypedDict, total=False):
    """The options of a call, for type checkers."""

    hole: HoleColor
    scale: float | Literal["auto"]
    dilate: int
    feather: int
    margin: int
    detail: float


class Inpainter:
    """Fills holes in images of any kind, size and depth.

        inpainter = Inpainter.load()  # with the demo weights; or: load("weights.safetensors")
        painted = inpainter(image, mask)

    It compiles once for each padded shape, of which there are few; `warm_up` does so ahead.

    Args:
        network: that paints.
        variables: `{'params', 'batch_stats'}` of it.
        trained_width: of the holes that the weights were trained on, in pixels: what `scale="auto"`
            goes by.
        batch_size: images or crops of one padded shape that are painted at once; by default 1 on a
            CPU, which gains nothing by more, and 8 elsewhere.
        memory_limit: bytes that one call of the network may take, beside the weights; what takes
            more is painted in tiles.
        compilation_cache: a directory that keeps what was compiled for later processes.
    """

    def __init__(
        self,
        network: MADF,
        variables: Mapping[str, Any],
        *,
        trained_width: float = DEFAULT_WIDTH,
        batch_size: int | None = None,
        memory_limit: float = 1e9,
        compilation_cache: PathLike | None = None,
    ) -> None:
        cache = None if compilation_cache is None else local_path(compilation_cache)
        from madf_jax.inference.program import CompiledNetwork  # imports JAX

        program = CompiledNetwork.of(network, variables, cache)
        self._set_up(program, trained_width, batch_size, memory_limit)

    def _set_up(
        self, program: Program, trained_width: float, batch_size: int | None, memory_limit: float
    ) -> None:
        if batch_size is None:
            batch_size = program.batch_size
        settings = {"trained_width": trained_width, "batch_size": batch_size}
        for name, value in (settings | {"memory_limit": memory_limit}).items():
            if not value > 0:
                raise UserError(f"{name} must be above 0, got {value}")
        self.trained_width = trained_width
        self._network = program
        self._batch_size = batch_size
        self._any_size = AnySize(program, batch_size, memory_limit)

    @classmethod
    def of_program(
        cls,
        program: Program,
        *,
        trained_width: float = DEFAULT_WIDTH,
        batch_size: int | None = None,
        memory_limit: float = 1e9,
    ) -> Inpainter:
        """An inpainter whose network is compiled already, or runs elsewhere; see `Inpainter`."""
        inpainter = cls.__new__(cls)
        inpainter._set_up(program, trained_width, batch_size, memory_limit)
        return inpainter

    @classmethod
    def load(
        cls,
        path: PathLike | None = None,
        *,
        trained_width: float | None = None,
        compilation_cache: PathLike | None = None,
        **settings: Unpack[_Settings],
    ) -> Inpainter:
        """Reads weights and their network.

        Args:
            path: whatever `madf_jax.weights.load` reads: a file or the directory of a run, of which
                the averaged weights are taken if it kept some. Or a .stablehlo or .onnx file of
                `madf-jax export`; the latter needs onnxruntime and no JAX. None takes the demo
                weights, which come with the package.
            trained_width: by default what the weights say of themselves (`trained_width.py`).
            compilation_cache: see `Inpainter`; an ONNX file needs none.
            settings: the other arguments of `Inpainter`.

        Raises:
            UserError: there are no weights.
        """
        cache = None if compilation_cache is None else local_path(compilation_cache)
        program, metadata = open_program(path, cache)
        width = read_width(metadata) if trained_width is None else trained_width
        return cls.of_program(program, trained_width=width, **settings)

    @overload
    def __call__(self, image: np.ndarray, mask: Any, **options: Unpack[_Options]) -> np.ndarray: ...
    @overload
    def __call__(
        self, image: Image.Image, mask: Any, **options: Unpack[_Options]
    ) -> Image.Image: ...
    @overload
    def __call__(self, image: PathLike, mask: Any, **options: Unpack[_Options]) -> InMemory: ...
    @overload
    def __call__(
        self, image: Sequence[AnyImage], mask: Any, **options: Unpack[_Options]
    ) -> list[InMemory]: ...

    def __call__(
        self,
        image: AnyImage | Sequence[AnyImage],
        mask: AnyImage | Sequence[AnyImage],
        *,
        hole: HoleColor = "black",
        scale: float | Literal["auto"] = "auto",
        dilate: int = 0,
        feather: int = 6,
        margin: int = 128,
        detail: float = 0.8,
    ) -> InMemory | list[InMemory]:
        """Paints one image or several.

        Args:
            image: a PIL image, an array (H, W), (H, W, C) or (N, H, W, C) of bool, uint8, uint16 or
                float in [0, 1], a path, or a list of these.
            mask: likewise, of any mode and size (see `imaging.masks.to_mask`); one for all images,
                or one for each.
            hole: the color that marks the hole in the mask. With 'black', True and 1 mean known.
            scale: see `PaintOptions`, as for the others.
            dilate: see there.
            feather: see there.
            margin: see there.
            detail: see there.

        Returns:
            The painted image: of the kind, mode, size and depth that came in, bit-identical outside
            the hole, with the metadata of a PIL image. For a path, a PIL image, or an array if the
            file has color of 16 bits. A list for a list.

        Raises:
            UserError: an image or mask can't be read, or a mask is all hole.
        """
        options = PaintOptions(scale, dilate, feather, margin, detail)
        images = as_list(image)
        if images is None:
            return self._call([image], [mask], hole, options)[0]
        masks = as_list(mask, len(images))
        if masks is None:
            masks = [mask] * len(images)
        elif len(masks) != len(images):
            raise UserError(f"there are {len(images)} images and {len(masks)} masks")
        painted = self._call(images, masks, hole, options)
        if isinstance(image, list | tuple):
            return painted
        return np.stack([np.asarray(one) for one in painted]) if painted else np.asarray(image)

    def paint(
        self, rasters: Sequence[Raster], known: Sequence[np.ndarray], options: PaintOptions
    ) -> list[InMemory]:
        """Paints what has been read already.

        Args:
            rasters: the images.
            known: for each, (H, W), bool, True = known, False = hole.
            options: how.

        Returns:
            For each, the painted image, of the kind that was read.
        """
        painted = paint_rasters(self._any_size, rasters, known, options, self.trained_width)
        return [raster.rebuild(pixels) for raster, pixels in zip(rasters, painted, strict=True)]

    def warm_up(self, sizes: Iterable[tuple[int, int]], batch_size: int = 1) -> None:
        """Compiles ahead for images that are painted whole.

        Args:
            sizes: heights and widths.
            batch_size: how many are painted at once.
        """
        for size in sizes:
            self._network.compile((batch_size, *self._any_size.padded(size)))

    def _call(
        self, images: Sequence[Any], masks: Sequence[Any], hole: HoleColor, options: PaintOptions
    ) -> list[InMemory]:
        painted: list[InMemory] = []
        pairs = list(zip(images, masks, strict=True))
        for start in range(0, len(pairs), self._batch_size):
            rasters, known = [], []
            for number, (image, mask) in enumerate(pairs[start : start + self._batch_size], start):
                place = f" {number}" if len(pairs) > 1 else ""
                raster, read = read_pair(image, mask, hole, place)
                for remark in read.remarks:
                    logging.warning("%s: %s", name_of(mask, f"mask{place}"), remark)
                rasters.append(raster)
                known.append(read.known)
            painted += self.paint(rasters, known, options)
        return painted

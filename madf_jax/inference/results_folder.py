"""Images that another program has painted, found by the names of the originals."""

import functools
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from madf_jax.data.images import read_image
from madf_jax.data.listing import list_images, stem_of
from madf_jax.errors import UserError
from madf_jax.inference.inpaint import Inpaint


class ResultsFolder:
    """A folder of results as a `Method`.

    The result for `sub/cat.jpg` is the file of that path in the folder, with any suffix of an
    image, such as `sub/cat.png`.

    Args:
        directory: of the results; subfolders are those of the originals.
        key: the flag that names it, for messages.

    Raises:
        UserError: the folder is missing, can't be read, or holds two results for one image.
    """

    def __init__(self, directory: Path, key: str = "") -> None:
        self._directory = directory
        self._files: dict[str, str] = {}
        for file in list_images(directory, key).names:
            other = self._files.setdefault(stem_of(file), file)
            if other != file:
                raise UserError(
                    f"{directory}: {other} and {file} are results for the same image; remove one"
                )

    def __call__(self, names: Sequence[str]) -> Inpaint:
        """The `Inpaint` that gives the stored results for the images of these names.

        It raises UserError if a result is missing, unreadable or of another size; the message
        names it.
        """
        return functools.partial(self._read, names)

    def _read(self, names: Sequence[str], images: np.ndarray, masks: np.ndarray) -> np.ndarray:
        pairs = zip(names, images, strict=True)
        return np.stack([self._read_result(name, image.shape) for name, image in pairs])

    def _read_result(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        file = self._files.get(name) or self._files.get(stem_of(name))
        if file is None:
            raise UserError(f"{self._directory}: there is no result for {name}")
        result = read_image(self._directory / file)
        if result.shape != shape:
            (height, width), (there_height, there_width) = shape[:2], result.shape[:2]
            raise UserError(
                f"{self._directory / file}: the result is {there_width}x{there_height} pixels and "
                f"the image that was painted {width}x{height}"
            )
        return result

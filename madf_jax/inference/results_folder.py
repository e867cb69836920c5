"""Images that another program has painted, found by the ids of the examples."""

import functools
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from madf_jax.data.images import read_image
from madf_jax.data.listing import list_images, stem_of
from madf_jax.errors import UserError
from madf_jax.inference.inpaint import Inpaint


class ResultsFolder:
    """A folder of results as a `Method`.

    The result for the example `sub/cat` is the file of that path in the folder with any suffix of
    an image, such as `sub/cat.png`.

    Args:
        directory: of the results; subfolders are those of the ids.
        key: the flag that names it, for messages.

    Raises:
        UserError: the folder is missing, can't be read, or holds two results for one image.
    """

    def __init__(self, directory: Path, key: str = "") -> None:
        self.directory = directory
        self._files: dict[str, str] = {}
        for file in list_images(directory, key).names:
            other = self._files.setdefault(stem_of(file), file)
            if other != file:
                raise UserError(
                    f"{directory}: {other} and {file} are results for the same image; remove one"
                )

    def find(self, id: str) -> Path | None:
        """The file with the result for an example; None if there is none."""
        # By the whole id: `v1` is not the result for `v1.2`.
        file = self._files.get(id)
        return None if file is None else self.directory / file

    def others(self, ids: Collection[str]) -> list[str]:
        """Files that are results for none of these examples, relative to the folder."""
        return [file for stem, file in self._files.items() if stem not in ids]

    def __call__(self, ids: Sequence[str]) -> Inpaint:
        """The `Inpaint` that gives the stored results for the examples of these ids.

        It raises UserError if a result is missing, unreadable or of another size; the message
        names it.
        """
        return functools.partial(self._read, ids)

    def _read(self, ids: Sequence[str], images: np.ndarray, masks: np.ndarray) -> np.ndarray:
        pairs = zip(ids, images, strict=True)
        return np.stack([self._read_result(id, image.shape) for id, image in pairs])

    def _read_result(self, id: str, shape: tuple[int, ...]) -> np.ndarray:
        file = self.find(id)
        if file is None:
            raise UserError(f"{self.directory}: there is no result for {id}")
        result = read_image(file)
        if result.shape != shape:
            (height, width), (there_height, there_width) = shape[:2], result.shape[:2]
            raise UserError(
                f"{file}: the result is {there_width}x{there_height} pixels and "
                f"the image that was painted {width}x{height}"
            )
        return result

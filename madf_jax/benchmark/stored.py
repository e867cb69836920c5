"""The same photographs stored in each way that training reads, to compare what reading costs."""

import contextlib
import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from PIL import Image

from madf_jax.data.options import ImageOptions
from madf_jax.data.packing import PackOptions, pack
from madf_jax.data.sources import PhotoSource
from madf_jax.errors import UserError

# The reference scales the shorter side to so many times the crop.
MARGIN = 572 / 512
_QUALITY = 90
_TFDS = "stored_photos"


@dataclasses.dataclass(frozen=True)
class Photographs:
    """JPEGs of one size, and the crops that training takes of them.

    Attributes:
        name: for the table.
        sides: longer and shorter side, pixels; half of the images are portrait.
        size: side of the crops, pixels.
    """

    name: str
    sides: tuple[int, int]
    size: int

    @property
    def margin(self) -> int:
        """Pixels of the shorter side before the crop; a packed set needs no more."""
        return round(MARGIN * self.size)


@dataclasses.dataclass(frozen=True)
class Stored:
    """One way of storing them.

    Attributes:
        name: for the table.
        directory: of all its files.
        images: section `data` that reads it.
    """

    name: str
    directory: Path
    images: ImageOptions

    @property
    def files(self) -> list[Path]:
        """All its files."""
        return sorted(path for path in self.directory.rglob("*") if path.is_file())


def store(photographs: Photographs, count: int, directory: Path) -> Iterator[Stored]:
    """Writes so many images in each way: as a folder, for TFDS, packed, and packed smaller.

    Args:
        photographs: their size.
        count: images.
        directory: an empty one.

    Raises:
        UserError: TensorFlow Datasets can't write without a package that is missing.
    """
    crops: dict[str, Any] = {"size": photographs.size, "check_files": "header"}
    crops |= dict.fromkeys(("resize_min", "resize_max"), photographs.margin)
    folder = directory / "folder"
    _write_folder(photographs, count, folder)

    def options(source: Any, path: Path) -> ImageOptions:
        return ImageOptions(source=source, train_path=str(path), **crops)

    yield Stored("folder", folder, options("folder", folder))
    tfds = directory / "tfds"
    _write_tfds(folder, tfds)
    yield Stored(
        "TFDS",
        tfds,
        ImageOptions(source="tfds", tfds_name=_TFDS, tfds_dir=str(tfds), **crops),
    )
    packed = directory / "packed"
    pack(folder, packed, PackOptions())
    yield Stored("packed", packed, options("packed", packed))
    if min(photographs.sides) > photographs.margin:
        smaller = directory / "smaller"
        pack(folder, smaller, PackOptions(side=photographs.margin))
        name = f"packed, --side {photographs.margin}"
        yield Stored(name, smaller, options("packed", smaller))


def _write_folder(photographs: Photographs, count: int, folder: Path) -> None:
    embedded = PhotoSource("train")
    folder.mkdir()
    for index in range(count):
        sides = photographs.sides if index % 2 else photographs.sides[::-1]
        image = Image.fromarray(embedded[index % len(embedded)])
        image = image.resize(sides, Image.Resampling.LANCZOS)
        image.save(folder / f"{index:05d}.jpg", quality=_QUALITY)


def _write_tfds(folder: Path, directory: Path) -> None:
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    with tfds.core.registered.skip_registration():

        class StoredPhotos(tfds.core.GeneratorBasedBuilder):
            """A folder of JPEGs."""

            VERSION = tfds.core.Version("1.0.0")

            def _info(self) -> Any:
                image = tfds.features.Image(encoding_format="jpeg")
                features = tfds.features.FeaturesDict({"image": image})
                return tfds.core.DatasetInfo(builder=self, features=features)

            def _split_generators(self, _: Any) -> Any:
                return {"train": self._generate_examples()}

            def _generate_examples(self) -> Any:
                for path in sorted(folder.iterdir()):
                    # Encoded already, so that no TensorFlow is needed.
                    yield path.name, {"image": io.BytesIO(path.read_bytes())}

    try:
        builder = StoredPhotos(data_dir=str(directory), file_format="array_record")
        with contextlib.redirect_stdout(io.StringIO()):  # it announces a download
            builder.download_and_prepare()
    except ImportError as error:
        raise UserError(
            f"writing a set of TFDS needs {error.name}: pip install 'madf-jax[prepare]'"
        ) from error

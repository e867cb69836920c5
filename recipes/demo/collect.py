"""Collects the photographs that the demo weights are trained on, split by photograph.

python recipes/demo/collect.py --output=DIR

`photographs.csv`, beside this file, names each photograph with its split, author, license and the
SHA-256 of its file. Those of Python packages are taken from where they are installed; those of
Debian packages are downloaded with `apt-get download`, which needs Debian or one of its
derivatives and a package list that is up to date (`apt-get update`), but neither root nor an
installation.
"""

import argparse
import csv
import hashlib
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image
from tqdm import tqdm

TABLE = Path(__file__).with_name("photographs.csv")
PYTHON_PACKAGES = {"scikit-image": "skimage", "scikit-learn": "sklearn"}
JPEG_QUALITY = 95


class Photograph(NamedTuple):
    """A row of the table.

    Attributes:
      name: of the file that is written, without its extension.
      split: 'train' or 'held_out'.
      source: name of the Python or Debian package.
      path: inside the package.
      author: as the package says.
      license: likewise.
      sha256: of the file in the package.
    """

    name: str
    split: str
    source: str
    path: str
    author: str
    license: str
    sha256: str


def read_table(path: Path = TABLE) -> list[Photograph]:
    """Every photograph of the table, in its order."""
    with path.open(newline="", encoding="utf-8") as file:
        return [Photograph(**row) for row in csv.DictReader(file)]


def collect(photographs: list[Photograph], output: Path, max_side: int) -> None:
    """Writes `output`/SPLIT/NAME.jpg for each photograph.

    Args:
      photographs: to collect.
      output: made if need be; files of the same name are replaced.
      max_side: pixels; a photograph with a longer side is shrunk to it.

    Raises:
      SystemExit: a package can't be had, or a file is not the one of the table.
    """
    with tempfile.TemporaryDirectory() as temporary:
        sources = {photograph.source for photograph in photographs}
        roots = {source: _fetch(source, Path(temporary)) for source in sorted(sources)}
        for photograph in tqdm(photographs, desc="collecting", unit="photograph"):
            file = roots[photograph.source] / photograph.path
            _check(photograph, file)
            target = output / photograph.split / f"{photograph.name}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            _shrink(file, target, max_side)


def _fetch(source: str, temporary: Path) -> Path:
    """The folder that holds a package's files."""
    if source in PYTHON_PACKAGES:
        spec = importlib.util.find_spec(PYTHON_PACKAGES[source])
        if spec is None or spec.origin is None:
            sys.exit(f"collect.py: {source} is not installed")
        return Path(spec.origin).parent
    root = temporary / source
    root.mkdir()
    try:
        subprocess.run(["apt-get", "download", source], cwd=root, check=True)
        (package,) = root.glob("*.deb")
        subprocess.run(["dpkg", "-x", package.name, "."], cwd=root, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        sys.exit(f"collect.py: Debian's package {source} can't be had: {error}")
    return root


def _check(photograph: Photograph, file: Path) -> None:
    if not file.is_file():
        sys.exit(f"collect.py: {photograph.source} has no {photograph.path} in this version")
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != photograph.sha256:
        sys.exit(
            f"collect.py: {photograph.source}'s {photograph.path} has SHA-256 {found}, "
            f"not {photograph.sha256}"
        )


def _shrink(file: Path, target: Path, max_side: int) -> None:
    with Image.open(file) as image:
        pixels = image.convert("RGB")
    pixels.thumbnail((max_side, max_side), Image.Resampling.LANCZOS)
    pixels.save(target, quality=JPEG_QUALITY, subsampling=0)


def _parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Collects the photographs of the demo weights.")
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--max-side", type=int, default=1600, help="pixels (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    arguments = _parse_arguments()
    collect(read_table(), arguments.output, arguments.max_side)

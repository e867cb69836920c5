"""Draws 64 masks of each generator into one image, and measures shares of hole and speed.

python recipes/generators/measure.py --image=docs/images/generators.png [--count=2000]
"""

import argparse
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from madf_jax.data.generators import GENERATORS
from madf_jax.data.masks import Masks, make_generator
from madf_jax.data.options import MaskOptions

_SIZE = 256
_RANGES = ((0.1, 0.4), (0.01, 0.6))  # of config.masks, of `madf-jax manifest`
_COLUMNS, _ROWS, _TILE, _LINE, _GAP = 16, 4, 36, 18, 8  # of a block; pixels


def main() -> None:
    """Writes the image and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--image", metavar="FILE", type=Path, help="64 masks of each generator")
    parser.add_argument("--count", metavar="N", type=int, default=2000, help="masks measured")
    args = parser.parse_args()
    if args.image is not None:
        _draw_all().save(args.image, optimize=True)
    print(f"| generator | range | masks/s | least | median | most |\n{'|---' * 6}|")
    for name in GENERATORS:
        for bounds in _RANGES:
            print(_measure(name, bounds, args.count), flush=True)


def _open(name: str, bounds: tuple[float, float]) -> Masks:
    return make_generator(MaskOptions(generator=name, hole_min=bounds[0], hole_max=bounds[1]))


def _measure(name: str, bounds: tuple[float, float], count: int) -> str:
    masks, rng = _open(name, bounds), np.random.default_rng(0)
    masks(rng, _SIZE)
    # Of this process only: other programs on the machine don't count.
    start = time.process_time()
    drawn = [masks(rng, _SIZE) for _ in range(count)]
    speed = count / (time.process_time() - start)
    shares = np.array([1 - mask.mean() for mask in drawn])
    if not (bounds[0] <= shares.min() and shares.max() <= bounds[1]):
        raise AssertionError(f"{name}: a share is outside of {bounds}")
    least, median, most = shares.min(), np.median(shares), shares.max()
    return (
        f"| `{name}` | {bounds[0]}-{bounds[1]} | {speed:,.0f} | {least:.3f} | {median:.3f} "
        f"| {most:.3f} |"
    )


def _draw_all() -> Image.Image:
    """Two columns of blocks, each with the name of a generator above its masks; white = hole."""
    width, height = _COLUMNS * _TILE, _ROWS * _TILE + _LINE
    lines = -(-len(GENERATORS) // 2)
    whole = Image.new("L", (2 * width + _GAP, lines * (height + _GAP)), 85)
    draw = ImageDraw.Draw(whole)
    for index, name in enumerate(GENERATORS):
        left, top = (index % 2) * (width + _GAP), (index // 2) * (height + _GAP)
        draw.text((left + 2, top + 2), name, fill=255)
        masks, rng = _open(name, _RANGES[1]), np.random.default_rng(0)
        for place in range(_COLUMNS * _ROWS):
            row, column = divmod(place, _COLUMNS)
            tile = Image.fromarray(255 * (1 - masks(rng, _SIZE)[..., 0]))
            tile = tile.resize((_TILE - 1, _TILE - 1), Image.Resampling.BOX)
            whole.paste(tile, (left + column * _TILE, top + _LINE + row * _TILE))
    return whole.point(lambda value: 85 * round(value / 85))  # four levels: a small file


if __name__ == "__main__":
    main()

"""What an evaluation leaves: a table, `evaluation.json`, `evaluation.csv` and image grids."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from madf_jax.errors import UserError
from madf_jax.evaluation.scoring import METHODS, Example, mean
from madf_jax.files import write_text, write_whole

Scores = Mapping[str, Mapping[str, float]]

_UNITS = {"psnr": "PSNR dB", "ssim": "SSIM", "l1": "L1 %", "hole_l1": "hole L1 %"}
_MIN_TILE = 192
_GRAY = 128


def summarize(scores: Sequence[Scores], facts: Mapping[str, Any]) -> dict[str, Any]:
    """Means over the examples, as `evaluation.json` holds them.

    Args:
        scores: of each example, by method and metric.
        facts: JSON-able facts to put beside the means.

    Returns:
        `methods` (metric means by method), `count`, `identical` (examples by method that equal the
        original: their PSNR is infinite and is left out of the mean), and the facts.
    """
    methods = {
        method: {metric: mean([score[method][metric] for score in scores]) for metric in _UNITS}
        for method in METHODS
    }
    identical = {
        method: sum(math.isinf(score[method]["psnr"]) for score in scores) for method in METHODS
    }
    return {"methods": methods, "count": len(scores), "identical": identical, **facts}


def format_table(summary: Mapping[str, Any]) -> str:
    """The means as lines of text, a row a method."""
    header = f"{'method':<14}" + "".join(f"{unit:>11}" for unit in _UNITS.values())
    rows = [
        f"{method:<14}" + "".join(f"{values[metric]:>11.3f}" for metric in _UNITS)
        for method, values in summary["methods"].items()
    ]
    return "\n".join([header, *rows])


def write_summary(directory: Path, summary: Mapping[str, Any], scores: Sequence[Scores]) -> None:
    """Writes `evaluation.json` (means) and `evaluation.csv` (a row an example and method)."""
    finite = {
        method: {k: v if math.isfinite(v) else None for k, v in values.items()}
        for method, values in summary["methods"].items()
    }
    write_text(
        directory / "evaluation.json",
        json.dumps({**summary, "methods": finite}, indent=2, allow_nan=False) + "\n",
    )
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(["example", "method", *_UNITS])
    for index, score in enumerate(scores):
        for method, values in score.items():
            table.writerow([index, method, *(values[metric] for metric in _UNITS)])
    write_text(directory / "evaluation.csv", text.getvalue())


def write_grids(directory: Path, rows: Sequence[Image.Image]) -> None:
    """Writes `0000.png` and so on, in place of those of an evaluation before.

    Raises:
        UserError: one can't be written.
    """
    try:
        for stale in directory.glob("*.png"):
            if stale.stem.isdecimal():
                stale.unlink()
    except OSError as error:
        raise UserError(f"{directory}: cannot be written: {error}") from None
    for index, row in enumerate(rows):
        write_whole(directory / f"{index:04d}.png", row.save)


def draw_example(example: Example) -> Image.Image:
    """A labeled row: masked, classical fillings, the network's output and composite, original."""
    psnr = {method: f"{values['psnr']:.1f} dB" for method, values in example.scores.items()}
    masked = np.where(example.mask > 0, example.image, np.uint8(_GRAY))
    fillings = [
        (f"{method.replace('_', ' ')} {psnr[method]}", example.composites[method])
        for method in METHODS[1:]
    ]
    tiles = [
        ("masked", masked),
        *fillings,
        ("output", example.output),
        (f"composite {psnr[METHODS[0]]}", example.composites[METHODS[0]]),
        ("original", example.image),
    ]
    return _labeled_row(tiles)


def image_rows(*columns: np.ndarray) -> np.ndarray:
    """Batches of images side by side: each (N, H, W, 3) to one (N * H, columns * W, 3)."""
    wide = np.concatenate(columns, axis=2)
    return wide.reshape(-1, *wide.shape[2:])


def _labeled_row(tiles: Sequence[tuple[str, np.ndarray]]) -> Image.Image:
    height, width = tiles[0][1].shape[:2]
    factor = max(1, round(_MIN_TILE / width))
    tile, header = (width * factor, height * factor), 16
    row = Image.new("RGB", (len(tiles) * tile[0], tile[1] + header), "white")
    draw = ImageDraw.Draw(row)
    for index, (label, image) in enumerate(tiles):
        # Nearest neighbor: what is looked at are the pixels that were scored.
        enlarged = Image.fromarray(image).resize(tile, Image.Resampling.NEAREST)
        row.paste(enlarged, (index * tile[0], header))
        draw.text((index * tile[0] + 4, 2), label, fill="black")
    return row

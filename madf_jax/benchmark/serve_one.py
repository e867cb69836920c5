"""Painting one size of image with one runtime, in a process of its own: time and peak memory.

Nothing here imports JAX before it is needed, so that a process of onnxruntime is one without JAX.
"""

import json
import statistics
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from madf_jax.memory import peak_resident

if TYPE_CHECKING:
    from madf_jax.inference.inpainter import Inpainter

_LINE, _DISTANCE = 8, 64  # pixels: holes as scratches all over the image, so that all is painted
_LONG = 10.0  # seconds, after which an image is not painted again


def inputs(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """An image (H, W, 3), uint8, and a mask (H, W), bool, True = known, with holes all over."""
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    known = np.ones((height, width), bool)
    for start in range(_DISTANCE // 2, height, _DISTANCE):
        known[start : start + _LINE] = False
    return image, known


def open_inpainter(path: str, dtype: str) -> "Inpainter":
    """An inpainter.

    Args:
        path: of weights, which JAX computes with, or of an ONNX file, which onnxruntime does.
        dtype: of computation by JAX; an ONNX file has its own.
    """
    from madf_jax.inference.inpainter import Inpainter

    if Path(path).suffix == ".onnx":
        return Inpainter.load(path)
    from madf_jax.weights import load

    weights = load(path)
    return Inpainter(weights.network.clone(dtype=dtype), weights.variables)


def main() -> None:
    """Paints with the settings in the argument and prints seconds and bytes as JSON."""
    path, dtype, height, width, repeats = json.loads(sys.argv[1])
    image, known = inputs(height, width)
    start = time.perf_counter()
    inpainter = open_inpainter(path, dtype)
    loaded = time.perf_counter()
    inpainter(image, known)
    first = time.perf_counter()
    seconds: list[float] = []
    while not seconds or (len(seconds) < repeats and sum(seconds) < _LONG):
        begin = time.perf_counter()
        inpainter(image, known)
        seconds.append(time.perf_counter() - begin)
    found = {
        "load_seconds": loaded - start,
        "first_seconds": first - loaded,
        "seconds": statistics.median(seconds),
        "peak_bytes": peak_resident(),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()

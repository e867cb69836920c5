"""A page that paints in the visitor's own browser, as a folder for any static server."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.export.onnx_model import write_onnx
from madf_jax.export.web_runtime import VERSION, copy_runtime
from madf_jax.files import system_errors, write_text
from madf_jax.inference.program import CompiledNetwork
from madf_jax.inference.trained_width import trained_width
from madf_jax.network.pixels import IMAGENET_MEAN, IMAGENET_STD
from madf_jax.weights import Weights

MODEL, SETTINGS, RUNTIME = "model.onnx", "settings.json", "runtime"
_LARGE = 10_000  # bytes of files that are named
_CHECKED_SIDE = 64  # pixels of what the page paints to see whether a device computes right
_CHECKED_STEP = 97  # of the values of that; has no factor in common with lines and channels


def write_web_page(weights: Weights, folder: Path, *, runtime: Path | None = None) -> str:
    """Writes the page, the network as ONNX and ONNX Runtime Web; nothing of it is elsewhere.

    Args:
        weights: of the network.
        folder: that is made; it must not be there, or be empty.
        runtime: the package `onnxruntime-web`, packed or unpacked; see `copy_runtime`.

    Returns:
        How far onnxruntime's output is from JAX's, and the sizes of the files, in words.

    Raises:
        UserError: the folder can't be written or is not empty, or the extra [onnx] or the package
            is missing.
    """
    with system_errors(folder):
        if folder.is_dir() and any(folder.iterdir()):
            raise UserError(f"{folder}: is not empty; name another folder")
        (folder / RUNTIME).mkdir(parents=True)
    copy_runtime(folder / RUNTIME, runtime)
    facts = write_onnx(weights, folder / MODEL, uint8=False, dtype="float32")
    write_text(folder / SETTINGS, json.dumps(_settings(weights), indent=1) + "\n")
    with system_errors(folder):
        _copy_page(folder)
        sizes = _summarize_sizes(folder)
    deviation = f"off by {facts.deviation:.1e} of the largest value from JAX"
    return f"run by onnxruntime: {deviation}; {sizes}"


def _copy_page(folder: Path) -> None:
    for file in (resources.files("madf_jax.export") / "page").iterdir():
        with resources.as_file(file) as path:
            shutil.copyfile(path, folder / file.name)


def _settings(weights: Weights) -> dict[str, Any]:
    """What the page must know of the network."""
    title = weights.metadata.get("title", "a network of your own")
    license = weights.metadata.get("license")
    return {
        "model": MODEL,
        "about": f"Weights: {title}{f' ({license})' if license else ''}.",
        "runtime": f"ONNX Runtime Web {VERSION}",
        "multiple": 2**weights.network.depth,
        "trained_hole_width": trained_width(weights.metadata),
        "mean": IMAGENET_MEAN,
        "std": IMAGENET_STD,
        "check": _expected(weights),
    }


def _expected(weights: Weights) -> dict[str, Any]:
    """Some values of what the network paints into the middle of a pattern, in [0, 255]."""
    network = CompiledNetwork.of(weights.network, weights.variables)
    side = max(_CHECKED_SIDE, network.multiple)
    image = (7 * np.arange(side * side * 3) % 256).reshape(1, side, side, 3).astype(np.float32)
    mask = np.ones((1, side, side, 1), np.uint8)
    middle = slice(side // 4, 3 * side // 4)
    mask[:, middle, middle] = 0
    values = network(image, mask).ravel()[::_CHECKED_STEP]
    return {"side": side, "step": _CHECKED_STEP, "expected": np.round(values, 2).tolist()}


def _summarize_sizes(folder: Path) -> str:
    """The size of each large file, and of all others together."""
    sizes = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in folder.rglob("*")
        if path.is_file()
    }
    large = {name: size for name, size in sizes.items() if size >= _LARGE}
    others = sum(sizes.values()) - sum(large.values())
    named = [f"{name} {_megabytes(large[name])}" for name in sorted(large, key=large.__getitem__)]
    return ", ".join([*reversed(named), f"{len(sizes) - len(large)} others {_megabytes(others)}"])


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.2f} MB"

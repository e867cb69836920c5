"""Each format: written, and checked by running it or reading it back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from madf_jax.export.checks import check_stablehlo, check_weights
from madf_jax.export.hub_folder import write_hub_folder
from madf_jax.export.request import Format, Request
from madf_jax.export.stablehlo import write_stablehlo
from madf_jax.weights import Weights, save
from madf_jax.weights.hub import MODEL

Write = Callable[[Weights, Path, Request], str]
"""Writes weights to a path.

Returns:
    What checking found, in words.

Raises:
    UserError: they can't be written, or what was written is wrong.
"""


def write(weights: Weights, path: Path, request: Request) -> str:
    """Writes and checks; a `Write`."""
    return _BY_FORMAT[request.format](weights, path, request)


def _stablehlo(weights: Weights, path: Path, request: Request) -> str:
    beside = request.parameters(path) if request.separate else None
    if beside is not None:
        save(beside, dataclasses.replace(weights, step=None), half=_half(request))
    write_stablehlo(
        weights,
        path,
        uint8=request.uint8,
        dtype=request.dtype,
        parameters=None if beside is None else beside.name,
    )
    exact = not _half(request)
    return check_stablehlo(path, weights, uint8=request.uint8, exact=exact, parameters=beside)


def _onnx(weights: Weights, path: Path, request: Request) -> str:
    from madf_jax.export.onnx_model import write_onnx

    facts = write_onnx(weights, path, uint8=request.uint8, dtype=request.dtype)
    return f"run by onnxruntime: off by {facts.deviation:.1e} of the largest value from JAX"


def _weights(weights: Weights, path: Path, request: Request) -> str:
    save(path, weights, half=_half(request))
    return check_weights(path, weights, exact=not _half(request))


def _hub(weights: Weights, path: Path, request: Request) -> str:
    write_hub_folder(weights, path, half=_half(request))
    return check_weights(path / MODEL, weights, exact=not _half(request))


def _web(weights: Weights, path: Path, request: Request) -> str:
    from madf_jax.export.web_page import write_web_page

    return write_web_page(weights, path, runtime=request.runtime)


_BY_FORMAT: dict[Format, Write] = {
    "stablehlo": _stablehlo,
    "onnx": _onnx,
    "safetensors": _weights,
    "torch": _weights,
    "hub": _hub,
    "web": _web,
}


def _half(request: Request) -> bool:
    return request.dtype == "float16"

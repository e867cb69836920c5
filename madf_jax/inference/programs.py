"""Networks that paint, from whatever holds them: weights, or files that `madf-jax export` wrote."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madf_jax.inference.demo_weights import demo_weights
from madf_jax.inference.sizes import Program

Opened = tuple[Program, Mapping[str, Any]]
"""What paints, and the metadata of its weights."""


def open_program(path: str | os.PathLike[str] | None, cache: Path | None = None) -> Opened:
    """Opens a network with its weights. An ONNX file is run without JAX, everything else by it.

    Args:
        path: of a .onnx or .stablehlo file, otherwise whatever `madf_jax.weights.load` reads; None
            for the demo weights.
        cache: a directory that keeps what JAX compiled for later processes.

    Raises:
        UserError: there is no such network.
    """
    source = demo_weights() if path is None else path
    suffix = os.path.splitext(source)[1].lower()
    if suffix == ".onnx":
        return _open_onnx(source)
    return (
        _open_stablehlo(source, cache) if suffix == ".stablehlo" else _open_weights(source, cache)
    )


def _open_onnx(source: str | os.PathLike[str]) -> Opened:
    from madf_jax.inference.onnx_painter import OnnxPainter

    painter = OnnxPainter(source)
    return painter, painter.metadata


def _open_stablehlo(source: str | os.PathLike[str], cache: Path | None) -> Opened:
    from madf_jax.inference.program import CompiledNetwork
    from madf_jax.inference.stablehlo import read_stablehlo

    found = read_stablehlo(source)
    program = CompiledNetwork(found.output, found.variables, found.multiple, cache)
    return program, found.metadata


def _open_weights(source: str | os.PathLike[str], cache: Path | None) -> Opened:
    from madf_jax.inference.program import CompiledNetwork
    from madf_jax.weights import load

    weights = load(source)
    return CompiledNetwork.of(weights.network, weights.variables, cache), weights.metadata

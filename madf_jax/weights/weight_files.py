"""Weights in one file, with the description of their network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights import own_format, reference_format
from madf_jax.weights.checks import error_context
from madf_jax.weights.description import describe_network, described_network
from madf_jax.weights.model import Weights
from madf_jax.weights.tensor_files import TORCH_SUFFIXES, open_tensors, write_tensors

_OPTIMIZERS = (own_format.OPTIMIZER, reference_format.OPTIMIZER)
_NETWORK = "network"  # beside the metadata
_HALVED = ("params", "ema")
_LONGEST = 2**20  # characters of a description


def read_file(path: Path, *, optimizer: bool) -> Weights:
    """Reads the PyTorch reference's checkpoints, its bare state dicts, and files by our names.

    Args:
        path: .pth, .pt, .safetensors or .npz.
        optimizer: read the optimizer's state, too; otherwise it may be anything.

    Raises:
        UserError: the file is no good (see `open_tensors`), names or shapes are not its network's,
            or a value is no weight.
    """
    with open_tensors(path, skip=() if optimizer else _OPTIMIZERS) as content:
        network, metadata = _parse(content.description)
        ours = any("/" in str(name) for name in content.tensors)
        read = own_format.from_our_names if ours else reference_format.from_reference_checkpoint
        return read(content.tensors, network, metadata)


def write_file(path: Path, weights: Weights, *, prefixes: bool = False, half: bool = False) -> None:
    """Writes the PyTorch reference's checkpoint (.pth, .pt) or our names (.safetensors, .npz).

    The file appears whole or not at all.

    Args:
        path: where; the suffix decides.
        weights: what; arrays of NumPy or jax.
        prefixes: .pth and .pt only: put `module.model.` and `module.extractor.` before the
            reference's names.
        half: .safetensors and .npz only: parameters as float16, batch statistics as they are.

    Raises:
        UserError: the weights are not their network's, hold NaN or infinity or what float16 can't
            hold, or the file can't be written.
    """
    torch = path.suffix.lower() in TORCH_SUFFIXES
    with error_context(path):
        description = _format(weights)
        content: Mapping[str, Any] = (
            reference_format.to_reference_checkpoint(weights, prefixes=prefixes)
            if torch
            else own_format.to_our_names(weights)
        )
        if half:
            content = {name: _halved(name, value) for name, value in content.items()}
    write_tensors(path, content, description)


def _halved(name: str, value: Any) -> Any:
    if name.partition("/")[0] not in _HALVED:
        return value
    with np.errstate(over="ignore"):
        half = np.asarray(value).astype(np.float16)
    if not np.isfinite(half).all():
        raise UserError(f"{name!r} holds values beyond those of float16; write it without --half")
    return half


def _format(weights: Weights) -> str:
    arguments = describe_network(weights.network)
    described_network(arguments)  # what is written can be read
    facts = {**weights.metadata, _NETWORK: arguments}
    try:
        description = json.dumps(facts)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"its metadata is not what JSON can hold: {error}") from None
    _check_length(description)
    return description


def _check_length(description: str) -> None:
    if len(description) > _LONGEST:
        raise UserError(f"its metadata has {len(description)} characters, {_LONGEST} are allowed")


def _parse(description: str | None) -> tuple[MADF | None, dict[str, Any]]:
    """The network, if it is described, and the metadata."""
    description = description or "{}"
    _check_length(description)
    try:
        facts = json.loads(description)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise UserError("its description of the network is no JSON object")
    arguments = facts.pop(_NETWORK, None)
    return None if arguments is None else described_network(arguments), facts

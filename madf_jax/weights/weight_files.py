"""Weights in one file, with the description of their network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights import own_format, release_format
from madf_jax.weights.checks import error_context
from madf_jax.weights.description import describe_network, described_network
from madf_jax.weights.model import Weights
from madf_jax.weights.tensor_files import TORCH_SUFFIXES, open_tensors, write_tensors

_OPTIMIZERS = (own_format.OPTIMIZER, release_format.OPTIMIZER)
_NETWORK = "network"  # beside the metadata


def read_file(path: Path, *, optimizer: bool) -> Weights:
    """Reads the release's checkpoints, bare state dicts by its names, and files by our names.

    Args:
        path: .pth, .pt, .safetensors or .npz.
        optimizer: read the optimizer's state, too; otherwise it may be whatever it likes.

    Raises:
        UserError: the file is no good (see `open_tensors`), names or shapes are not its network's,
            or a value is no weight.
    """
    with open_tensors(path, skip=() if optimizer else _OPTIMIZERS) as content:
        network, metadata = _parse(content.description)
        ours = any("/" in str(name) for name in content.tensors)
        read = own_format.from_our_names if ours else release_format.from_release
        return read(content.tensors, network, metadata)


def write_file(path: Path, weights: Weights, *, prefixes: bool = False) -> None:
    """Writes the release's checkpoint (.pth, .pt) or our names (.safetensors, .npz).

    The file appears whole or not at all.

    Args:
        path: where; the suffix decides.
        weights: what; arrays of NumPy or jax.
        prefixes: write the release's names with `module.model.` and `module.extractor.`; .pth and
            .pt only.

    Raises:
        UserError: the weights are not their network's, hold NaN or infinity, or the file can't be
            written.
    """
    torch = path.suffix.lower() in TORCH_SUFFIXES
    with error_context(path):
        if prefixes and not torch:
            raise UserError("only .pth and .pt files have the release's prefixes")
        description = _format(weights)
        content: Mapping[str, Any] = (
            release_format.to_release(weights, prefixes=prefixes)
            if torch
            else own_format.to_our_names(weights)
        )
    write_tensors(path, content, description)


def _format(weights: Weights) -> str:
    facts = {**weights.metadata, _NETWORK: describe_network(weights.network)}
    try:
        return json.dumps(facts)
    except (TypeError, ValueError, RecursionError) as error:
        raise UserError(f"its metadata is not what JSON can hold: {error}") from None


def _parse(description: str | None) -> tuple[MADF | None, dict[str, Any]]:
    """The network, if it is described, and the metadata."""
    try:
        facts = json.loads(description or "{}")
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise UserError("its description of the network is no JSON object")
    arguments = facts.pop(_NETWORK, None)
    return None if arguments is None else described_network(arguments), facts

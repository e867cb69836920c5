"""The one entry point for weights: files of every kind, and runs."""

from __future__ import annotations

import dataclasses
import os

from madf_jax.errors import UserError
from madf_jax.files import local_path
from madf_jax.weights.checkpoint import read_weights, write_weights
from madf_jax.weights.model import Weights
from madf_jax.weights.run_directory import read_run


def load(path: str | os.PathLike[str], *, optimizer: bool = False) -> Weights:
    """Reads weights from wherever they are.

    Args:
        path: a file (.pth, .pt, .safetensors or .npz), a run's working directory, of which the
            newest checkpoint is read, or one checkpoint in it, `.../checkpoints/STEP`.
        optimizer: read the optimizer's state too, if there is one. Otherwise it is neither checked
            nor kept, so that no optimizer can keep its weights from being loaded.

    Returns:
        The network and its weights: `weights.network.apply(weights.variables, image, mask,
        train=False)`.

    Raises:
        UserError: nothing that holds weights is there, or it is damaged.
    """
    found = local_path(path)
    if not found.exists():
        raise UserError(f"{found}: there is no such file or directory")
    weights = read_run(found)[0] if found.is_dir() else read_weights(found)
    return weights if optimizer else dataclasses.replace(weights, adam=None)


def save(path: str | os.PathLike[str], weights: Weights, *, prefixes: bool = False) -> None:
    """Writes a file of weights; it appears whole or not at all.

    Args:
        path: .pth, .pt, .safetensors or .npz.
        weights: what to write; arrays of NumPy or jax.
        prefixes: .pth and .pt only: put the PyTorch reference's `module.model.` and
            `module.extractor.` before its names.

    Raises:
        UserError: the weights are not their network's, hold NaN or infinity, or the file can't be
            written.
    """
    write_weights(local_path(path), weights, prefixes=prefixes)

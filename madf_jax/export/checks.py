"""Whether what was written is what was to be written: by running it, or by reading it back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from safetensors.numpy import load_file

from madf_jax.errors import UserError
from madf_jax.export.onnx_check import Example
from madf_jax.inference.stablehlo_file import unpack
from madf_jax.network import composite, denormalize, normalize
from madf_jax.weights import Weights, load
from madf_jax.weights.generator import flatten

_TOLERANCE = 1e-5
_LEVELS = 1  # of 255, where rounding may fall on the other side


def check_stablehlo(
    path: Path, weights: Weights, *, uint8: bool, exact: bool, parameters: Path | None
) -> str:
    """Runs a program as somebody without this package does.

    Args:
        path: of the file.
        weights: that it was written from.
        uint8: whether it makes composites.
        exact: whether it must be accurate; otherwise its parameters are rounded.
        parameters: of the file beside it.

    Returns:
        How far it is from the network in this process, in words.

    Raises:
        UserError: it is too far.
    """
    unpack(path.read_bytes())
    exported = jax.export.deserialize(bytearray(path.read_bytes()))
    given = [] if parameters is None else [load_file(parameters)]
    example = Example.of(weights)
    if uint8:
        found = np.asarray(exported.call(*given, example.image, example.mask))
        return _compare_composites(found, example, exact=exact)
    image, mask = normalize(jnp.asarray(example.image)), example.mask.astype(np.float32)
    found = np.asarray(exported.call(*given, image, mask))
    deviation = float(np.abs(found - example.output).max() / np.abs(example.output).max())
    if not (deviation <= _TOLERANCE if exact else np.isfinite(deviation)):
        raise UserError(f"the program's output is off by {deviation:.2g} of its largest value")
    return f"run: off by {deviation:.1e} of the largest value from the network it was made of"


def _compare_composites(found: np.ndarray, example: Example, *, exact: bool) -> str:
    image, mask = jnp.asarray(example.image), jnp.asarray(example.mask)
    wanted = np.asarray(composite(image, denormalize(jnp.asarray(example.output)), mask))
    off = np.abs(found.astype(int) - wanted.astype(int))
    if (off * example.mask).any() or (exact and off.max() > _LEVELS):
        raise UserError(f"the program's composite is off by {off.max()} of 255 levels")
    return f"run: off by {off.max()} of 255 levels from the network it was made of"


def check_weights(path: Path, weights: Weights, *, exact: bool) -> str:
    """Reads a file of weights and compares all of it.

    Args:
        path: of the file.
        weights: that it was written from.
        exact: whether all must be equal; otherwise parameters are rounded to float16.

    Returns:
        What was found, in words.

    Raises:
        UserError: it differs.
    """
    read = load(path)
    if read.network != weights.network:
        raise UserError("is of another network than what was written")
    pairs = jax.tree.map(lambda a, b: (a, b), _leaves(read), _leaves(weights))
    for name, (found, wanted) in pairs.items():
        rounded = wanted if exact or not name.startswith("params/") else _rounded(wanted)
        if not np.array_equal(found, rounded):
            raise UserError(f"{name!r} differs from what was written")
    return f"read back: {len(pairs)} arrays are {'equal' if exact else 'equal in float16'}"


def _leaves(weights: Weights) -> dict[str, Any]:
    trees = weights.trained_variables
    return {
        name: np.asarray(leaf)
        for root, tree in trees.items()
        for name, leaf in flatten(tree, root).items()
    }


def _rounded(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float16).astype(np.float32)

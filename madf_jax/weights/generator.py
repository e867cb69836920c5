"""The generator's weights between the PyTorch reference's state dict and our variables.

Variables are plain nested dicts `{'params': ..., 'batch_stats': ...}`; arrays are float32, except
each batch norm's `count`, int32 here and int64 in the reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights.checks import compare_shapes, shapes_of
from madf_jax.weights.description import count_levels
from madf_jax.weights.table import Row, parameter_names

Tree = dict[str, Any]


def flatten(tree: Mapping[str, Any], root: str) -> dict[str, Any]:
    """Leaves of a nested dict by their paths, `root/...`, joined with '/'."""
    leaves = traverse_util.flatten_dict(tree, sep="/")
    return {f"{root}/{path}": leaf for path, leaf in leaves.items()}


def without_prefixes(state_dict: Mapping[str, Any]) -> dict[str, Any]:
    """The state dict without the wrappers' `module.` and `model.` before its names.

    Raises:
        UserError: two names become the same.
    """
    plain: dict[str, Any] = {}
    for name, value in state_dict.items():
        short = str(name).removeprefix("module.").removeprefix("model.")
        if short in plain:
            raise UserError(f"{short!r} stands in the file twice, with and without a prefix")
        plain[short] = value
    return plain


def from_reference(state_dict: Mapping[str, Any], network: MADF) -> Tree:
    """Our variables from the reference's state dict.

    Args:
        state_dict: arrays by the reference's names, without prefixes. The batch norms of its
            encoder, which it never applies, may hold anything or be missing.
        network: whose weights they are.

    Returns:
        `{'params': ..., 'batch_stats': ...}`; arrays may be views of those given.

    Raises:
        UserError: names are missing or unknown, shapes are not the network's, or a value is no
            weight.
    """
    table = parameter_names(network)
    unused = {row.name for row in table if row.collection == "unused"}
    found = {name: value for name, value in state_dict.items() if name not in unused}
    rows = [row for row in table if row.collection != "unused"]
    compare_shapes(shapes_of(found), {row.name: row.reference_shape for row in rows})
    leaves = {
        f"{row.collection}/{row.path}": row.layout.to_ours(
            row.checked(row.name, found[row.name]), row.shape
        )
        for row in rows
    }
    return traverse_util.unflatten_dict(leaves, sep="/")


def to_reference(
    variables: Mapping[str, Any], network: MADF, prefix: str = ""
) -> dict[str, np.ndarray]:
    """The reference's state dict from our variables, in its order.

    Args:
        variables: `{'params': ..., 'batch_stats': ...}`.
        network: whose variables they are.
        prefix: put before each name, such as 'module.model.'.

    Returns:
        Arrays by the reference's names; its unused batch norms are as freshly made.

    Raises:
        UserError: the variables are not the network's, or a value is no weight.
    """
    rows = parameter_names(network)
    leaves = {
        f"{root}/{path}": leaf
        for root in ("params", "batch_stats")
        for path, leaf in checked_leaves(flatten(variables[root], root), rows, root).items()
    }
    return {prefix + row.name: _reference_array(row, leaves) for row in rows}


def _reference_array(row: Row, leaves: Mapping[str, np.ndarray]) -> np.ndarray:
    if row.collection == "unused":
        return row.layout.to_reference(np.full(row.shape, row.fill, np.float32))
    return row.layout.to_reference(leaves[f"{row.collection}/{row.path}"])


def checked_leaves(
    found: Mapping[str, Any], rows: Iterable[Row], root: str
) -> dict[str, np.ndarray]:
    """The leaves below `root/`, by their paths below it.

    Args:
        found: leaves by whole paths; those not below `root/` are passed over.
        rows: the table.
        root: 'batch_stats', or anything that is a tree like params: 'params', 'ema', 'adam/mu',
            'adam/nu'.

    Raises:
        UserError: they are not the rows' names and shapes, or a value is no weight.
    """
    collection = "batch_stats" if root == "batch_stats" else "params"
    wanted = [row for row in rows if row.collection == collection]
    mine = {path: leaf for path, leaf in found.items() if path.startswith(f"{root}/")}
    compare_shapes(shapes_of(mine), {f"{root}/{row.path}": row.shape for row in wanted})
    return {
        row.path: row.checked(
            f"{root}/{row.path}", mine[f"{root}/{row.path}"], squares=root.endswith("nu")
        )
        for row in wanted
    }


def compare_with_network(variables: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Refuses weights that are not the network's.

    Args:
        variables: `{'params': ..., 'batch_stats': ...}`.
        expected: the same of the network, as `jax.eval_shape` of its `init` gives it.

    Raises:
        UserError: says how deep both are and what differs.
    """
    found, wanted = (
        {
            path: tuple(leaf.shape)
            for root in ("params", "batch_stats")
            for path, leaf in flatten(tree[root], root).items()
        }
        for tree in (variables, expected)
    )
    try:
        compare_shapes(found, wanted)
    except UserError as error:
        sizes = (count_levels(paths) for paths in (found, wanted))
        file, network = (f"{depth} levels, {more} refinement decoders" for depth, more in sizes)
        raise UserError(f"the file has {file}, the network {network}; {error}") from None

"""Our own names in .safetensors and .npz files, joined with '/'.

`params/...`, `batch_stats/...`, `ema/...`, `adam/mu/...`, `adam/nu/...`, `adam/count`, `step`,
`vgg/conv1_1/kernel`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights.adam import SETTINGS, Adam, way_without
from madf_jax.weights.checks import compare_shapes, shapes_of, summarize_names, whole_number
from madf_jax.weights.description import infer_network
from madf_jax.weights.generator import Tree, checked_leaves, flatten
from madf_jax.weights.model import Weights
from madf_jax.weights.table import parameter_names
from madf_jax.weights.vgg import vgg_from_names, vgg_leaves

OPTIMIZER = "adam"
_ROOTS = ("params", "batch_stats", "ema", OPTIMIZER, "step", "vgg")


def from_our_names(
    content: Mapping[str, Any], network: MADF | None, metadata: Mapping[str, Any]
) -> Weights:
    """Weights from the tensors of a file.

    Args:
        content: tensors by name.
        network: by the file's description; None infers it from the shapes.
        metadata: likewise.

    Raises:
        UserError: names or shapes are not the network's, or a value is no weight.
    """
    strange = [repr(name) for name in content if str(name).split("/")[0] not in _ROOTS]
    if strange:
        raise UserError(
            f"not known: {summarize_names(strange)}; names begin with {', '.join(_ROOTS)}"
        )
    if network is None:
        params = {name: value for name, value in content.items() if name.startswith("params/")}
        network = infer_network(shapes_of(params))
    rows = parameter_names(network)

    def tree(root: str) -> Tree:
        return traverse_util.unflatten_dict(checked_leaves(content, rows, root), sep="/")

    def has(root: str) -> bool:
        return any(name.startswith(f"{root}/") for name in content)

    return Weights(
        network,
        params=tree("params"),
        batch_stats=tree("batch_stats"),
        step=whole_number("step", content["step"]) if "step" in content else None,
        adam=_adam(content, tree) if has(OPTIMIZER) else None,
        ema=tree("ema") if has("ema") else None,
        vgg=vgg_from_names(content) if has("vgg") else None,
        metadata=metadata,
    )


def _adam(content: Mapping[str, Any], tree: Callable[[str], Tree]) -> Adam:
    scalars = {
        name: value
        for name, value in content.items()
        if name.startswith("adam/") and not name.startswith(("adam/mu/", "adam/nu/"))
    }
    wanted = [f"adam/{key}" for key in ("count", *SETTINGS)]
    with way_without():
        compare_shapes(shapes_of(scalars), dict.fromkeys(wanted, ()))
        return Adam(
            mu=tree("adam/mu"),
            nu=tree("adam/nu"),
            count=whole_number("adam/count", scalars["adam/count"]),
            **{key: float(np.asarray(scalars[f"adam/{key}"])) for key in SETTINGS},
        )


def to_our_names(weights: Weights) -> dict[str, np.ndarray]:
    """The arrays of a file by name.

    Raises:
        UserError: the weights are not their network's, or a value is no weight.
    """
    rows = parameter_names(weights.network)
    trees: dict[str, Tree | None] = {**weights.trained_variables, "ema": weights.ema}
    content: dict[str, np.ndarray] = {}
    if weights.adam is not None:
        trees |= {"adam/mu": weights.adam.mu, "adam/nu": weights.adam.nu}
        content["adam/count"] = np.asarray(weights.adam.count, np.int32)
        settings = {key: getattr(weights.adam, key) for key in SETTINGS}
        content |= {f"adam/{key}": np.asarray(value, np.float64) for key, value in settings.items()}
    if weights.step is not None:
        content["step"] = np.asarray(weights.step, np.int32)
    for root, tree in trees.items():
        if tree is not None:
            leaves = checked_leaves(flatten(tree, root), rows, root)
            content |= {f"{root}/{path}": leaf for path, leaf in leaves.items()}
    return content if weights.vgg is None else content | vgg_leaves(weights.vgg)

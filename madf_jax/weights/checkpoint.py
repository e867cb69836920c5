"""Weights in one file: of the PyTorch release, or by our names.

A .pth is the release's checkpoint, `{'n_iter', 'model', 'gen_optimizer'}`, which its own loader
takes; averaged parameters, which the release has not, stand beside as a second state dict, 'ema'. A
.safetensors or .npz holds our names joined with '/': `params/...`, `batch_stats/...`, `ema/...`,
`adam/mu/...`, `adam/nu/...`, `adam/count`, `step`, `vgg/conv1_1/kernel`. There and back is
bit-identical.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.weights.adam import SETTINGS, Adam, adam_from_reference, adam_to_reference
from madf_jax.weights.checks import about, compare_shapes, listed, shapes_of, whole_number
from madf_jax.weights.generator import (
    Tree,
    checked_leaves,
    compare_with_network,
    flatten,
    from_reference,
    to_reference,
    widths_of,
    without_prefixes,
)
from madf_jax.weights.model import Weights
from madf_jax.weights.names import parameter_names
from madf_jax.weights.tensor_files import TORCH_SUFFIXES, read_tensors, write_tensors
from madf_jax.weights.vgg import vgg_from_names, vgg_leaves, vgg_to_reference
from madf_jax.weights.widths import infer_widths

_ROOTS = ("params", "batch_stats", "ema", "adam", "step", "vgg")


def read_weights(
    path: str | os.PathLike[str], expected: Mapping[str, Any] | None = None
) -> Weights:
    """Reads the release's checkpoints, bare state dicts by its names, and files by ours.

    Args:
        path: .pth, .pt, .safetensors or .npz. The release's names may carry its prefixes
            `module.model.` and `module.extractor.`. Entries of a release's checkpoint besides the
            three are passed over.
        expected: `{'params', 'batch_stats'}` of the network that the weights are for, as
            `jax.eval_shape` of its `init` gives them; None if any network will do.

    Raises:
        UserError: the file is no good (see `read_tensors`), names or shapes are not a generator's
            or not the expected one's, or a value is no weight.
    """
    content = read_tensors(path)
    with about(pathlib.Path(path)):
        ours = any("/" in str(name) for name in content)
        weights = _from_our_names(content) if ours else _from_release(content)
        if expected is not None:
            compare_with_network(weights.trained_variables, expected)
    return weights


def write_weights(
    path: str | os.PathLike[str], weights: Weights, *, prefixes: bool = False
) -> None:
    """Writes the release's checkpoint (.pth) or our names (.safetensors, .npz).

    The file appears whole or not at all.

    Args:
        path: where; the suffix decides.
        weights: what; arrays of NumPy or jax.
        prefixes: write the release's names with `module.model.` and `module.extractor.`; .pth and
            .pt only.

    Raises:
        UserError: the weights are not a generator's, hold NaN or infinity, or the file cannot be
            written.
    """
    torch = pathlib.Path(path).suffix.lower() in TORCH_SUFFIXES
    with about(pathlib.Path(path)):
        if prefixes and not torch:
            raise UserError("only .pth and .pt files have the release's prefixes")
        content = _release_content(weights, prefixes) if torch else _our_content(weights)
    write_tensors(path, content, metadata={"format": "madf_jax"})


def _from_release(content: Mapping[str, Any]) -> Weights:
    nested = isinstance(content.get("model"), Mapping)
    checkpoint = content if nested else {"model": content}
    model = without_prefixes(checkpoint["model"])
    generator = {name: value for name, value in model.items() if not name.startswith("extractor.")}
    variables = from_reference(generator)
    rows = parameter_names(widths_of(variables))
    adam, ema = checkpoint.get("gen_optimizer"), checkpoint.get("ema")
    if ema is not None:
        ema = _ema_from_reference(ema, variables)
    return Weights(
        widths_of(variables).network(),
        **variables,
        step=whole_number("n_iter", checkpoint["n_iter"]) if "n_iter" in checkpoint else None,
        adam=None if adam is None else adam_from_reference(adam, rows),
        ema=ema,
        vgg=vgg_from_names(model),
    )


def _ema_from_reference(state_dict: Any, variables: Tree) -> Tree:
    if not isinstance(state_dict, Mapping):
        raise UserError(f"'ema' is a {type(state_dict).__name__}, not a state dict")
    averaged = from_reference(without_prefixes(state_dict))
    compare_with_network(averaged, variables)
    params: Tree = averaged["params"]
    return params


def _release_content(weights: Weights, prefixes: bool) -> dict[str, Any]:
    wrapper, generator = ("module.", "module.model.") if prefixes else ("", "")
    model = to_reference(weights.trained_variables, generator)
    if weights.vgg is not None:
        model |= vgg_to_reference(weights.vgg, wrapper)
    # The release always has a number of iterations; a file of weights alone says 0.
    content: dict[str, Any] = {"n_iter": int(weights.step or 0), "model": model}
    rows = parameter_names(widths_of(weights.trained_variables))
    if weights.adam is not None:
        content["gen_optimizer"] = adam_to_reference(weights.adam, rows)
    if weights.ema is not None:
        averaged = {"params": weights.ema, "batch_stats": weights.batch_stats}
        content["ema"] = to_reference(averaged, generator)
    return content


def _from_our_names(content: Mapping[str, Any]) -> Weights:
    strange = [repr(name) for name in content if str(name).split("/")[0] not in _ROOTS]
    if strange:
        raise UserError(f"not known: {listed(strange)}; names begin with {', '.join(_ROOTS)}")
    params = {name: value for name, value in content.items() if name.startswith("params/")}
    widths = infer_widths(shapes_of(params), ours=True)
    rows = parameter_names(widths)

    def tree(root: str) -> Tree:
        return traverse_util.unflatten_dict(checked_leaves(content, rows, root), sep="/")

    def has(root: str) -> bool:
        return any(name.startswith(f"{root}/") for name in content)

    return Weights(
        widths.network(),
        params=tree("params"),
        batch_stats=tree("batch_stats"),
        step=whole_number("step", content["step"]) if "step" in content else None,
        adam=_our_adam(content, tree) if has("adam") else None,
        ema=tree("ema") if has("ema") else None,
        vgg=vgg_from_names(content) if has("vgg") else None,
    )


def _our_adam(content: Mapping[str, Any], tree: Callable[[str], Tree]) -> Adam:
    scalars = {
        name: value
        for name, value in content.items()
        if name.startswith("adam/") and not name.startswith(("adam/mu/", "adam/nu/"))
    }
    wanted = [f"adam/{key}" for key in ("count", *SETTINGS)]
    compare_shapes(shapes_of(scalars), dict.fromkeys(wanted, ()))
    return Adam(
        mu=tree("adam/mu"),
        nu=tree("adam/nu"),
        count=whole_number("adam/count", scalars["adam/count"]),
        **{key: float(scalars[f"adam/{key}"]) for key in SETTINGS},
    )


def _our_content(weights: Weights) -> dict[str, np.ndarray]:
    rows = parameter_names(widths_of(weights.trained_variables))
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

"""FID's Inception v3, from a file that the user names; converted once and kept.

The weights of December 2015 go round in two files: `pt_inception-2015-12-05-6726825d.pth`, by
torchvision's names, and NVIDIA's TorchScript `inception-2015-12-05.pt`, by TensorFlow's. Neither
comes with this package.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from absl import logging
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.features.inception import Inception
from madf_jax.features.preparation import SIDE
from madf_jax.files import local_path, require_regular_file, system_errors
from madf_jax.weights.checks import (
    Shape,
    compare_shapes,
    float_array,
    shapes_of,
    summarize_names,
)
from madf_jax.weights.generator import Tree, without_prefixes
from madf_jax.weights.layouts import CONVOLUTION
from madf_jax.weights.tensor_files import open_tensors, write_tensors

_EPSILON = 1e-3  # of the batch normalization
_CLASSES = 1008  # of the network of 2015; torchvision's has 1000
_VARIANCE = "variance"

_STEM = {
    "Conv2d_1a_3x3": "conv",
    "Conv2d_2a_3x3": "conv_1",
    "Conv2d_2b_3x3": "conv_2",
    "Conv2d_3b_1x1": "conv_3",
    "Conv2d_4a_3x3": "conv_4",
}
_BLOCKS = ("5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c")
_TOWERS = {
    "5": {"branch5x5": "tower.", "branch3x3dbl": "tower_1.", "branch_pool": "tower_2."},
    "6a": {"branch3x3": "", "branch3x3dbl": "tower."},
    "6": {"branch7x7": "tower.", "branch7x7dbl": "tower_1.", "branch_pool": "tower_2."},
    "7a": {"branch3x3": "tower.", "branch7x7x3": "tower_1."},
}
"""Where TensorFlow's names have a branch, by kind of block."""

_LAST_BLOCKS = {
    "branch1x1": "conv",
    "branch3x3_1": "tower_conv",
    "branch3x3_2a": "tower_mixed_conv",
    "branch3x3_2b": "tower_mixed_conv_1",
    "branch3x3dbl_1": "tower_1_conv",
    "branch3x3dbl_2": "tower_1_conv_1",
    "branch3x3dbl_3a": "tower_1_mixed_conv",
    "branch3x3dbl_3b": "tower_1_mixed_conv_1",
    "branch_pool": "tower_2_conv",
}


class InceptionWeights(NamedTuple):
    """Weights, and what distinguishes them from others.

    Attributes:
        variables: of `Inception`.
        sha256: of the values, whichever file they come from.
    """

    variables: Tree
    sha256: str


def load_inception(path: str | os.PathLike[str]) -> InceptionWeights:
    """Reads FID's Inception.

    A file that has to be converted is converted once: the result is kept in the user's cache
    directory by the SHA-256 of the file, and read from there the next time, without PyTorch.

    Args:
        path: one of the two files above, or a converted one (.safetensors, .npz).

    Raises:
        UserError: no such file, or it holds other weights.
    """
    path = local_path(path)
    kept = _kept_conversion(path)
    if kept is not None and kept.is_file():
        try:
            return _identified(_read(kept))
        except UserError as error:
            logging.warning("%s; converting %s again", error, path)
    weights = _identified(_read(path))
    if kept is not None and path.suffix.lower() in (".pth", ".pt"):
        _keep(kept, weights)
    return weights


def _kept_conversion(path: Path) -> Path | None:
    """Where the conversion of a file is kept; None if there is no place."""
    require_regular_file(path)
    with system_errors(path), path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    try:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # no home
        return None
    return cache / "madf_jax" / f"inception-{digest}.safetensors"


def _keep(kept: Path, weights: InceptionWeights) -> None:
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        write_tensors(kept, traverse_util.flatten_dict(weights.variables["params"], sep="/"))
    except (OSError, UserError) as error:
        logging.warning("The converted weights can't be kept: %s", error)


def _identified(params: Tree) -> InceptionWeights:
    digest = hashlib.sha256()
    for name, leaf in sorted(traverse_util.flatten_dict(params, sep="/").items()):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(leaf).data)
    return InceptionWeights({"params": params}, digest.hexdigest())


def _read(path: Path) -> Tree:
    with open_tensors(path) as content:
        tensors = without_prefixes(content.tensors)
        if "Conv2d_1a_3x3/kernel" in tensors:
            return _own_params(tensors)
        if "Conv2d_1a_3x3.conv.weight" in tensors:
            return _folded(tensors, _torchvision_names)
        if "layers.conv.weight" in tensors:
            return _folded(tensors, _tensorflow_names)
        names = summarize_names(map(repr, content.tensors))
        raise UserError(f"holds no Inception v3; its names are {names}")


def _shapes() -> dict[str, Shape]:
    image = np.zeros((1, SIDE, SIDE, 3), np.float32)
    params = jax.eval_shape(Inception().init, jax.random.key(0), image)["params"]
    flat = traverse_util.flatten_dict(params, sep="/")
    return {name: leaf.shape for name, leaf in flat.items()}


def _own_params(tensors: Mapping[str, Any]) -> Tree:
    wanted = _shapes()
    compare_shapes(shapes_of({name: tensors[name] for name in wanted if name in tensors}), wanted)
    leaves = {name: float_array(name, tensors[name]) for name in wanted}
    return traverse_util.unflatten_dict(leaves, sep="/")


_Names = Callable[[str], dict[str, str]]
"""The names of a layer's tensors at a source: kernel, mean, variance, bias and perhaps scale."""


def _torchvision_names(layer: str) -> dict[str, str]:
    stem = layer.replace("/", ".")
    return {
        "kernel": f"{stem}.conv.weight",
        "mean": f"{stem}.bn.running_mean",
        _VARIANCE: f"{stem}.bn.running_var",
        "bias": f"{stem}.bn.bias",
        "scale": f"{stem}.bn.weight",
    }


def _tensorflow_names(layer: str) -> dict[str, str]:
    """Those of the TorchScript file, whose normalization has no scale."""
    leaves = {"kernel": "weight", "mean": "mean", _VARIANCE: "var", "bias": "beta"}
    return {ours: f"layers.{_tensorflow_layer(layer)}.{leaf}" for ours, leaf in leaves.items()}


def _tensorflow_layer(layer: str) -> str:
    if layer in _STEM:
        return _STEM[layer]
    block, branch = layer.removeprefix("Mixed_").split("/")
    index = _BLOCKS.index(block)
    mixed = f"mixed_{index}" if index else "mixed"
    if block in ("7b", "7c"):
        return f"{mixed}.{_LAST_BLOCKS[branch]}"
    stem, _, number = branch.rpartition("_")
    if not number.isdigit():
        stem, number = branch, "1"
    towers = _TOWERS.get(block) or _TOWERS[block[0]]
    convolution = "conv" if number == "1" else f"conv_{int(number) - 1}"
    return f"{mixed}.{towers.get(stem, '')}{convolution}"


def _folded(tensors: Mapping[str, Any], names_of: _Names) -> Tree:
    """Our params: kernels and biases with the normalization after them folded in."""
    _require_classes(tensors)
    shapes = _shapes()
    layers = [name.removesuffix("/kernel") for name in shapes if name.endswith("/kernel")]
    wanted = dict(_wanted(layers, shapes, names_of))
    compare_shapes(shapes_of({name: tensors[name] for name in wanted if name in tensors}), wanted)
    leaves = {}
    for layer in layers:
        parts = {
            part: float_array(name, tensors[name], negative=part != _VARIANCE).astype(np.float64)
            for part, name in names_of(layer).items()
        }
        factor = parts.get("scale", 1) / np.sqrt(parts[_VARIANCE] + _EPSILON)
        kernel = CONVOLUTION.to_ours(parts["kernel"], shapes[f"{layer}/kernel"]) * factor
        leaves[f"{layer}/kernel"] = kernel.astype(np.float32)
        leaves[f"{layer}/bias"] = (parts["bias"] - parts["mean"] * factor).astype(np.float32)
    return traverse_util.unflatten_dict(leaves, sep="/")


def _wanted(
    layers: list[str], shapes: Mapping[str, Shape], names_of: _Names
) -> Iterator[tuple[str, Shape]]:
    for layer in layers:
        for part, name in names_of(layer).items():
            kernel = shapes[f"{layer}/kernel"]
            yield name, CONVOLUTION.reference_shape(kernel) if part == "kernel" else kernel[-1:]


def _require_classes(tensors: Mapping[str, Any]) -> None:
    classifier = tensors.get("fc.weight")
    if classifier is not None and (classes := classifier.shape[0]) != _CLASSES:
        raise UserError(
            f"holds an Inception v3 of {classes} classes, torchvision's; FID takes the one of "
            f"December 2015, of {_CLASSES}"
        )

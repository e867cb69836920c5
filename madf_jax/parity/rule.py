"""Weights made by rule, so that recorded numbers need no stored weights.

Each tensor of the PyTorch reference's state dict is drawn from its own name: the legacy NumPy
generator `RandomState(crc32(salt + name))`, whose stream NumPy guarantees never to change, gives
standard normal numbers that are scaled and shifted, all in float64, then rounded to float32.

- A kernel has the standard deviation sqrt(gain / fan_in), rounded to float32. The gain is 2 before
  a rectifier, shared by the 16 mask features for the filters' kernel; 1 where an image is put out;
  1/2 for the filters' bias; 1/4 for the scale and the bias of point-wise normalization.
- A bias has 0.05, the gain of a batch norm 0.1 around 1, a running mean 0.1.
- A running variance is the exponential of a normal number with 0.2.
- Counts are 0.
"""

import math
import zlib

import numpy as np

from madf_jax.features.vgg import STAGES
from madf_jax.network import MADF
from madf_jax.weights import layouts
from madf_jax.weights.generator import from_reference
from madf_jax.weights.model import Weights
from madf_jax.weights.table import Row, parameter_names
from madf_jax.weights.vgg import vgg_from_names


def rule_weights(salt: str, depth: int, refinements: int) -> Weights:
    """The generator at its published widths, and a VGG-16 trunk.

    Args:
        salt: put before each name.
        depth: levels of the encoder, at least 3.
        refinements: refinement decoders.

    Raises:
        UserError: no network has that many levels or decoders.
    """
    network = MADF(depth=depth, refinements=refinements)
    rows = [row for row in parameter_names(network) if row.collection != "unused"]
    state_dict = {row.name: _tensor(salt, row, network) for row in rows}
    variables = from_reference(state_dict, network)
    return Weights(network, **variables, vgg=vgg_from_names(_trunk(salt)))


def _tensor(salt: str, row: Row, network: MADF) -> np.ndarray:
    if row.layout is layouts.COUNT:
        return np.zeros((), np.int64)
    if row.name.endswith("running_var"):
        return np.exp(_normal(salt, row.name, row.reference_shape, 0.2)).astype(np.float32)
    if row.name.endswith("running_mean"):
        deviation, mean = 0.1, 0.0
    elif row.path.endswith("norm/scale"):
        deviation, mean = 0.1, 1.0
    elif row.layout is layouts.VECTOR:
        deviation, mean = 0.05, 0.0
    else:
        deviation, mean = _kernel_deviation(row, network), 0.0
    return (mean + _normal(salt, row.name, row.reference_shape, deviation)).astype(np.float32)


def _kernel_deviation(row: Row, network: MADF) -> float:
    shape, gain = row.shape, 2.0
    fan_in = math.prod(shape[:3])
    if row.layout is layouts.FILTERS:
        gain = 2 / network.mask_width
    elif row.layout is layouts.FILTERS_BIAS:
        gain = 0.5
    if row.path.startswith("recovery_decoder/level_1/") or row.path.endswith("/output/kernel"):
        gain = 1.0
    if row.path.endswith(("norm/scale/kernel", "norm/bias/kernel")):
        gain = 0.25
    return _rounded_root(gain / fan_in)


def _trunk(salt: str) -> dict[str, np.ndarray]:
    tensors, channels = {}, 3
    for stage, widths in enumerate(STAGES, start=1):
        for index, width in enumerate(widths):
            name = f"extractor.enc_{stage}.{2 * index}"
            shape = (width, channels, 3, 3)
            kernel = _normal(salt, f"{name}.weight", shape, _rounded_root(2 / (9 * channels)))
            tensors[f"{name}.weight"] = kernel.astype(np.float32)
            tensors[f"{name}.bias"] = _normal(salt, f"{name}.bias", (width,), 0.05).astype("f4")
            channels = width
    return tensors


def _rounded_root(variance: float) -> float:
    return float(np.float32(math.sqrt(variance)))


def _normal(salt: str, name: str, shape: tuple[int, ...], deviation: float) -> np.ndarray:
    seed = zlib.crc32((salt + name).encode())
    return deviation * np.random.RandomState(seed).standard_normal(shape)

"""How a tensor is laid out in the PyTorch reference and here: pairs of inverse functions.

Every layout only moves elements, so there and back is bit-identical. Axes: I, O channels in and
out; k the side of a window; C, M the channels of features and of the mask's features at a level of
the encoder.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from madf_jax.weights.checks import Shape


@dataclasses.dataclass(frozen=True)
class Layout:
    """One way to lay out a tensor.

    Attributes:
        to_ours: (reference array, our shape) -> our array.
        to_reference: our array -> reference array.
        reference_shape: our shape -> reference shape.
    """

    to_ours: Callable[[np.ndarray, Shape], np.ndarray]
    to_reference: Callable[[np.ndarray], np.ndarray]
    reference_shape: Callable[[Shape], Shape]


VECTOR = Layout(
    to_ours=lambda vector, shape: vector,
    to_reference=lambda vector: vector,
    reference_shape=lambda shape: shape,
)

COUNT = Layout(
    to_ours=lambda count, shape: count.astype(np.int32),
    to_reference=lambda count: count.astype(np.int64),
    reference_shape=lambda shape: shape,
)

# (O, I, k, k) <-> (k, k, I, O)
CONVOLUTION = Layout(
    to_ours=lambda weight, shape: weight.transpose(2, 3, 1, 0),
    to_reference=lambda kernel: kernel.transpose(3, 2, 0, 1),
    reference_shape=lambda shape: (shape[3], shape[2], shape[0], shape[1]),
)


def _phases_to_ours(weight: np.ndarray, shape: Shape) -> np.ndarray:
    channels, out = weight.shape[:2]
    windows = weight[:, :, ::-1, ::-1].reshape(channels, out, 2, 2, 2, 2)
    return windows.transpose(2, 4, 0, 3, 5, 1)


def _phases_to_reference(kernel: np.ndarray) -> np.ndarray:
    windows = kernel.transpose(2, 5, 0, 3, 1, 4)
    return windows.reshape(*windows.shape[:2], 4, 4)[:, :, ::-1, ::-1]


# (I, O, 4, 4) <-> (2, 2, I, 2, 2, O), taps and phases as in `madf_jax.layers.convolution`.
# PyTorch's is the kernel of the convolution whose gradient it computes: windows are flipped.
TRANSPOSED_CONVOLUTION = Layout(
    to_ours=_phases_to_ours,
    to_reference=_phases_to_reference,
    reference_shape=lambda shape: (shape[2], shape[5], 4, 4),
)


def _filters_to_ours(weight: np.ndarray, shape: Shape) -> np.ndarray:
    k, _, channels, mask_channels, out = shape
    return weight.reshape(channels, k, k, out, mask_channels).transpose(1, 2, 0, 4, 3)


def _filters_to_reference(kernel: np.ndarray) -> np.ndarray:
    mask_channels = kernel.shape[3]
    return kernel.transpose(2, 0, 1, 4, 3).reshape(-1, mask_channels, 1, 1)


# (C*k*k*O, M, 1, 1) <-> (k, k, C, M, O): the reference's output channel is ((c*k + y)*k + x)*O + o.
FILTERS = Layout(
    to_ours=_filters_to_ours,
    to_reference=_filters_to_reference,
    reference_shape=lambda s: (math.prod((s[0], s[1], s[2], s[4])), s[3], 1, 1),
)

# (C*k*k*O,) <-> (k, k, C, O)
FILTERS_BIAS = Layout(
    to_ours=lambda bias, s: bias.reshape(s[2], s[0], s[1], s[3]).transpose(1, 2, 0, 3),
    to_reference=lambda bias: bias.transpose(2, 0, 1, 3).reshape(-1),
    reference_shape=lambda shape: (math.prod(shape),),
)

"""The one table of names: each tensor of the PyTorch reference, what it is here, and its shape.

The table is read in both directions. Its rows stand in the order of the reference's state dict,
which is also the order in which the reference's optimizer numbers the parameters.

Levels i = 1..L, refinement decoders j = 0..J-1. A path is ours, joined with '/', below its
collection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from madf_jax.weights import layouts
from madf_jax.weights.checks import Shape, float_array, whole_number
from madf_jax.weights.layouts import Layout
from madf_jax.weights.widths import Widths

IMAGE_CHANNELS = 3
MASK_CHANNELS = 3
INPUT_CHANNELS = IMAGE_CHANNELS + MASK_CHANNELS

Collection = Literal["params", "batch_stats", "unused"]


@dataclasses.dataclass(frozen=True)
class Row:
    """One tensor.

    Attributes:
        name: the PyTorch reference's.
        collection: ours; 'unused' if the reference declares the tensor and never reads it.
        path: ours, '/' between its parts; empty if unused.
        layout: from one to the other.
        shape: ours; the reference's own if unused.
        fill: the value written for an unused tensor.
    """

    name: str
    collection: Collection
    path: str
    layout: Layout
    shape: Shape
    fill: int = 0

    @property
    def reference_shape(self) -> Shape:
        """Its shape in the reference."""
        return self.layout.reference_shape(self.shape)

    @property
    def is_parameter(self) -> bool:
        """Whether the reference's optimizer numbers it; the others are buffers."""
        return not self.name.endswith(("running_mean", "running_var", "num_batches_tracked"))

    def checked(self, name: str, value: Any, *, squares: bool = False) -> np.ndarray:
        """`value` as this row's dtype, float32 or a count.

        Args:
            name: what a `UserError` calls it.
            value: a tensor of the right shape, in either layout.
            squares: it holds means of squares, never below 0; running variances do anyway.
        """
        if self.layout is layouts.COUNT:
            return np.asarray(whole_number(name, value), np.int32)
        squares = squares or self.path.endswith("/var")
        return float_array(name, value, negative=not squares)


def parameter_names(widths: Widths) -> tuple[Row, ...]:
    """The table for a network of these widths, in the order of the reference's state dict."""
    levels = range(1, widths.depth + 1)
    rows: list[Row] = []
    for i in levels:
        rows += _filter_generator(i, widths)
    for i in levels:
        rows += _unused_batch_norm(f"enc_conv_{i}.bn", widths.filters[i - 1])
    for i in levels:
        shape = (1, 1, widths.filters[i - 1], widths.skips[i - 1])
        rows += _convolution(f"enc_up_{i}.0", f"encoder/level_{i}/skip", shape)
    for i in reversed(levels):
        rows += _recovery_up(i, widths)
    for i in reversed(levels):
        rows += _recovery_fuse(i, widths)
    for j in range(widths.refinements):
        for i in reversed(levels[1:]):
            rows += _refinement_level(j, i, widths)
        channels = widths.skips[0] + IMAGE_CHANNELS * (j + 1) + INPUT_CHANNELS
        shape = (1, 1, channels, IMAGE_CHANNELS)
        rows += _convolution(f"dec_ref{j}_1", f"refinement_decoder_{j}/output", shape)
    return tuple(rows)


def _convolution(
    name: str, path: str, shape: Shape, layout: Layout = layouts.CONVOLUTION
) -> Iterator[Row]:
    yield Row(f"{name}.weight", "params", f"{path}/kernel", layout, shape)
    yield Row(f"{name}.bias", "params", f"{path}/bias", layouts.VECTOR, shape[-1:])


def _running_statistics(name: str, path: str, channels: int) -> Iterator[Row]:
    vector = (channels,)
    yield Row(f"{name}.running_mean", "batch_stats", f"{path}/mean", layouts.VECTOR, vector)
    yield Row(f"{name}.running_var", "batch_stats", f"{path}/var", layouts.VECTOR, vector)
    yield Row(f"{name}.num_batches_tracked", "batch_stats", f"{path}/count", layouts.COUNT, ())


def _unused_batch_norm(name: str, channels: int) -> Iterator[Row]:
    """Declared by the reference at each level of its encoder and never applied."""
    for suffix, fill in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        yield Row(f"{name}.{suffix}", "unused", "", layouts.VECTOR, (channels,), fill)
    yield Row(f"{name}.num_batches_tracked", "unused", "", layouts.COUNT, (), 0)


def _filter_generator(i: int, widths: Widths) -> Iterator[Row]:
    k, out, mask = widths.kernel_sizes[i - 1], widths.filters[i - 1], widths.mask_channels
    mask_in, channels = (MASK_CHANNELS, INPUT_CHANNELS) if i == 1 else (mask, widths.filters[i - 2])
    name, path = f"filter_gen_{i}", f"encoder/level_{i}"
    yield from _convolution(f"{name}.conv.0", f"{path}/mask_conv", (k, k, mask_in, mask))
    path = f"{path}/filters"
    kernel, bias = (k, k, channels, mask, out), (k, k, channels, out)
    yield Row(f"{name}.conv1.0.weight", "params", f"{path}/kernel", layouts.FILTERS, kernel)
    yield Row(f"{name}.conv1.0.bias", "params", f"{path}/bias", layouts.FILTERS_BIAS, bias)


def _recovery_up(i: int, widths: Widths) -> Iterator[Row]:
    out = widths.skips[i - 2] if i > 1 else IMAGE_CHANNELS
    name, path = f"deconv_{i}", f"recovery_decoder/level_{i}"
    shape = (2, 2, widths.skips[i - 1], 2, 2, out)
    yield from _convolution(f"{name}.0", f"{path}/up", shape, layouts.TRANSPOSED_CONVOLUTION)
    if i > 1:
        path = f"{path}/norm"
        yield Row(f"{name}.1.weight", "params", f"{path}/scale", layouts.VECTOR, (out,))
        yield Row(f"{name}.1.bias", "params", f"{path}/bias", layouts.VECTOR, (out,))
        yield from _running_statistics(f"{name}.1", path, out)


def _recovery_fuse(i: int, widths: Widths) -> Iterator[Row]:
    skip, out = (widths.skips[i - 2],) * 2 if i > 1 else (INPUT_CHANNELS, IMAGE_CHANNELS)
    shape = (3, 3, skip + out, out)
    return _convolution(f"att_conv_{i}.conv.0", f"recovery_decoder/level_{i}/fuse", shape)


def _refinement_level(j: int, i: int, widths: Widths) -> Iterator[Row]:
    channels, out, hidden = widths.skips[i - 1], widths.skips[i - 2], widths.modulation
    name, path = f"dec_ref{j}_{i}", f"refinement_decoder_{j}/level_{i}"
    up = (2, 2, channels, 2, 2, out)
    yield from _convolution(f"{name}.deconv", f"{path}/up", up, layouts.TRANSPOSED_CONVOLUTION)
    name, path = f"{name}.bn", f"{path}/norm"
    yield from _running_statistics(f"{name}.batch_norm", f"{path}/batch_norm", out)
    yield from _convolution(f"{name}.mlp_shared.0", f"{path}/shared", (3, 3, out, hidden))
    yield from _convolution(f"{name}.mlp_scale", f"{path}/scale", (3, 3, hidden, out))
    yield from _convolution(f"{name}.mlp_bias", f"{path}/bias", (3, 3, hidden, out))

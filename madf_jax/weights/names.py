"""The one table of names: each tensor of the PyTorch reference, and what it is here.

The table is read in both directions. It stands in the order of the reference's state dict, which is
also the order in which the reference's optimizer numbers the parameters. Shapes are the network's
own: `madf_jax.weights.table`.

Levels i = 1..L, refinement decoders j = 0..J-1. A path is ours, joined with '/', below its
collection.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Literal

from madf_jax.weights import layouts
from madf_jax.weights.layouts import Layout

Collection = Literal["params", "batch_stats", "unused"]


@dataclasses.dataclass(frozen=True)
class Name:
    """One tensor of a network, whatever its size.

    Attributes:
        name: the PyTorch reference's.
        collection: ours; 'unused' if the reference declares the tensor and never reads it.
        path: ours, '/' between its parts. If unused: of the kernel that reads as many channels as
            the tensor has.
        layout: from one to the other.
        fill: the value written for an unused tensor.
    """

    name: str
    collection: Collection
    path: str
    layout: Layout
    fill: int = 0

    @property
    def is_parameter(self) -> bool:
        """Whether the reference's optimizer numbers it; the others are buffers."""
        return not self.name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def reference_names(depth: int, refinements: int) -> tuple[Name, ...]:
    """The table for networks of `depth` levels and `refinements` refinement decoders."""
    levels = range(1, depth + 1)
    names: list[Name] = []
    for i in levels:
        names += _filter_generator(i)
    for i in levels:
        names += _unused_batch_norm(i)
    for i in levels:
        names += _convolution(f"enc_up_{i}.0", f"encoder/level_{i}/skip")
    for i in reversed(levels):
        names += _recovery_up(i)
    for i in reversed(levels):
        names += _convolution(f"att_conv_{i}.conv.0", f"recovery_decoder/level_{i}/fuse")
    for j in range(refinements):
        for i in reversed(levels[1:]):
            names += _refinement_level(j, i)
        names += _convolution(f"dec_ref{j}_1", f"refinement_decoder_{j}/output")
    return tuple(names)


def _convolution(name: str, path: str, layout: Layout = layouts.CONVOLUTION) -> Iterator[Name]:
    yield Name(f"{name}.weight", "params", f"{path}/kernel", layout)
    yield Name(f"{name}.bias", "params", f"{path}/bias", layouts.VECTOR)


def _running_statistics(name: str, path: str) -> Iterator[Name]:
    yield Name(f"{name}.running_mean", "batch_stats", f"{path}/mean", layouts.VECTOR)
    yield Name(f"{name}.running_var", "batch_stats", f"{path}/var", layouts.VECTOR)
    yield Name(f"{name}.num_batches_tracked", "batch_stats", f"{path}/count", layouts.COUNT)


def _unused_batch_norm(i: int) -> Iterator[Name]:
    """Declared by the reference at each level of its encoder and never applied."""
    name, path = f"enc_conv_{i}.bn", f"encoder/level_{i}/skip/kernel"
    for suffix, fill in (("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)):
        yield Name(f"{name}.{suffix}", "unused", path, layouts.VECTOR, fill)
    yield Name(f"{name}.num_batches_tracked", "unused", path, layouts.COUNT)


def _filter_generator(i: int) -> Iterator[Name]:
    name, path = f"filter_gen_{i}", f"encoder/level_{i}"
    yield from _convolution(f"{name}.conv.0", f"{path}/mask_conv")
    path = f"{path}/filters"
    yield Name(f"{name}.conv1.0.weight", "params", f"{path}/kernel", layouts.FILTERS)
    yield Name(f"{name}.conv1.0.bias", "params", f"{path}/bias", layouts.FILTERS_BIAS)


def _recovery_up(i: int) -> Iterator[Name]:
    name, path = f"deconv_{i}", f"recovery_decoder/level_{i}"
    yield from _convolution(f"{name}.0", f"{path}/up", layouts.TRANSPOSED_CONVOLUTION)
    if i > 1:
        path = f"{path}/norm"
        yield Name(f"{name}.1.weight", "params", f"{path}/scale", layouts.VECTOR)
        yield Name(f"{name}.1.bias", "params", f"{path}/bias", layouts.VECTOR)
        yield from _running_statistics(f"{name}.1", path)


def _refinement_level(j: int, i: int) -> Iterator[Name]:
    name, path = f"dec_ref{j}_{i}", f"refinement_decoder_{j}/level_{i}"
    yield from _convolution(f"{name}.deconv", f"{path}/up", layouts.TRANSPOSED_CONVOLUTION)
    name, path = f"{name}.bn", f"{path}/norm"
    yield from _running_statistics(f"{name}.batch_norm", f"{path}/batch_norm")
    yield from _convolution(f"{name}.mlp_shared.0", f"{path}/shared")
    yield from _convolution(f"{name}.mlp_scale", f"{path}/scale")
    yield from _convolution(f"{name}.mlp_bias", f"{path}/bias")

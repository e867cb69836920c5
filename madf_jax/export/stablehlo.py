"""The network as a program of StableHLO, for any JAX, on a CPU, on GPUs and on TPUs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from madf_jax.files import write_whole
from madf_jax.inference.stablehlo_file import pack
from madf_jax.layers.convolution import only_xla_convolutions
from madf_jax.network import MADF, composite, denormalize, normalize
from madf_jax.weights import Weights
from madf_jax.weights.description import describe_network
from madf_jax.weights.generator import flatten

PLATFORMS = ("cpu", "cuda", "tpu")

Leaves = dict[str, Any]


def write_stablehlo(
    weights: Weights,
    path: Path,
    *,
    uint8: bool = False,
    dtype: str = "float32",
    parameters: str | None = None,
) -> None:
    """Writes the network, of any batch, height and width.

    What it takes and returns, `jax.export.deserialize(...).call(image, mask)`: see `bare_network`
    and `painted_composite`.

    Args:
        weights: of the network.
        path: of the file.
        uint8: write `painted_composite`, otherwise `bare_network`.
        dtype: in which the parameters are kept; computation is in float32.
        parameters: the name of a file of weights beside it, which whoever calls the program passes
            to it; None makes them a part of the program.

    Raises:
        UserError: it can't be written.
    """
    leaves = inference_leaves(weights, dtype)
    exported = export_network(weights.network, leaves, uint8=uint8, separate=parameters is not None)
    facts = {
        "network": describe_network(weights.network),
        "uint8": uint8,
        "parameters": parameters,
        "metadata": dict(weights.metadata),
    }
    content = pack(bytes(exported.serialize()), facts)
    write_whole(path, lambda temporary: temporary.write_bytes(content))


def inference_leaves(weights: Weights, dtype: str) -> Leaves:
    """What inference applies, by the names of our files (`params/...`, `batch_stats/...`).

    Args:
        weights: whose average is taken if they have one.
        dtype: of the parameters; statistics stay float32.
    """
    leaves = {
        name: np.asarray(leaf)
        for root, tree in weights.variables.items()
        for name, leaf in flatten(tree, root).items()
    }
    return {
        name: leaf.astype(dtype) if name.startswith("params/") else leaf
        for name, leaf in leaves.items()
    }


def export_network(
    network: MADF,
    leaves: Leaves,
    *,
    uint8: bool,
    separate: bool,
    platforms: tuple[str, ...] = PLATFORMS,
) -> jax.export.Exported:
    """The network with open sizes, computed by XLA's own convolutions on every platform."""
    function = painted_composite(network) if uint8 else bare_network(network)
    step, dtype = 2**network.depth, np.uint8 if uint8 else np.float32
    sizes = jax.export.symbolic_shape(f"batch, {step}*height, {step}*width")
    image, mask = (jax.ShapeDtypeStruct((*sizes, channels), dtype) for channels in (3, 1))
    with only_xla_convolutions(), _without_source_files():
        if separate:
            given = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), leaves)
            return jax.export.export(jax.jit(function), platforms=platforms)(given, image, mask)
        inside = jax.jit(lambda image, mask: function(leaves, image, mask))
        return jax.export.export(inside, platforms=platforms)(image, mask)


def bare_network(network: MADF) -> Callable[[Leaves, jax.Array, jax.Array], jax.Array]:
    """The last image of the cascade.

    Returns:
        A function of leaves, image (N, H, W, 3) float32, ImageNet-normalized, and mask (N, H, W, 1)
        float32, 1 = known, 0 = hole. It returns (N, H, W, 3), float32, ImageNet-normalized.
    """

    def madf(leaves: Leaves, image: jax.Array, mask: jax.Array) -> jax.Array:
        return network.apply(_variables(leaves), image, mask, train=False)[-1]

    return madf


def painted_composite(network: MADF) -> Callable[[Leaves, jax.Array, jax.Array], jax.Array]:
    """An image with its holes painted, all in 8 bits.

    Returns:
        A function of leaves, image (N, H, W, 3) uint8, RGB, and mask (N, H, W, 1) uint8, 0 = hole,
        anything else = known. It returns (N, H, W, 3), uint8, equal to the image where it is known.
    """
    madf = bare_network(network)

    def paint(leaves: Leaves, image: jax.Array, mask: jax.Array) -> jax.Array:
        known = (mask > 0).astype(jnp.float32)
        return composite(image, denormalize(madf(leaves, normalize(image), known)), known)

    return paint


@contextlib.contextmanager
def _without_source_files() -> Iterator[None]:
    """Keeps this machine's paths out of a program, which names each operation's source file."""
    name = "jax_traceback_in_locations_limit"
    before = getattr(jax.config, name)
    jax.config.update(name, 0)
    try:
        yield
    finally:
        jax.config.update(name, before)


def _variables(leaves: Mapping[str, Any]) -> dict[str, Any]:
    in_float32 = {
        name: jnp.asarray(leaf).astype(jnp.float32)
        if jnp.issubdtype(leaf.dtype, jnp.floating)
        else leaf
        for name, leaf in leaves.items()
    }
    return traverse_util.unflatten_dict(in_float32, sep="/")

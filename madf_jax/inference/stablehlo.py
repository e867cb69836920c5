"""Networks that `madf-jax export` wrote as StableHLO, to paint with.

The file may be a stranger's. A program can do nothing but compute, unless it calls something that
is registered in jaxlib by name: such a one is refused.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.mlir import deserialize_portable_artifact
from jax.interpreters.mlir import make_ir_context
from jaxlib.mlir import ir

from madf_jax.errors import UserError
from madf_jax.files import any_path, local_copy, require_regular_file, system_errors
from madf_jax.inference.program import Output, to_pixels
from madf_jax.inference.stablehlo_file import unpack
from madf_jax.network import normalize
from madf_jax.weights import load as load_weights
from madf_jax.weights.checks import compare_shapes, error_context, shapes_of
from madf_jax.weights.description import described_network
from madf_jax.weights.generator import flatten
from madf_jax.weights.stored import check_size, damage_reported

_CALLED = {"shape_assertion"}  # by programs whose sizes are open


@dataclasses.dataclass(frozen=True)
class ExportedNetwork:
    """A network from a file.

    Attributes:
        output: the network for `CompiledNetwork`.
        variables: what it takes; empty if the program holds them.
        multiple: of which sides must be, in pixels.
        metadata: of the weights.
    """

    output: Output
    variables: dict[str, Any]
    multiple: int
    metadata: Mapping[str, Any]


def read_stablehlo(path: str | os.PathLike[str]) -> ExportedNetwork:
    """Reads what `madf-jax export --format stablehlo` wrote: a bare network or a composite.

    A composite's images are 8-bit: what it is given is rounded, and what it paints.

    Args:
        path: of the file, local or in a bucket. Parameters that are no part of it are read from the
            file beside it that it names.

    Raises:
        UserError: it can't be read, is cut short, damaged, of something else, of another platform,
            or does more than compute.
    """
    source = any_path(path)
    with system_errors(source), local_copy(source) as file:
        data = _read(file)
    with error_context(source):
        program, facts = unpack(data)
        with damage_reported(".stablehlo"):
            exported = jax.export.deserialize(bytearray(program))
            _check_calls(exported)
        multiple = 2 ** described_network(facts.get("network")).depth
        uint8, beside = bool(facts.get("uint8")), facts.get("parameters")
        taken = _taken_variables(exported, uint8, bool(beside))
    variables = _read_variables(source.parent / Path(str(beside)).name, taken) if beside else {}
    call = exported.call if beside else lambda _, *arrays: exported.call(*arrays)
    output = _composite_output(call) if uint8 else _network_output(call)
    return ExportedNetwork(output, variables, multiple, dict(facts.get("metadata") or {}))


def _read(path: Path) -> bytes:
    size = require_regular_file(path).st_size
    with error_context(path):
        check_size(size)
    return path.read_bytes()


def _check_calls(exported: jax.export.Exported) -> None:
    called: set[str] = set()

    def look(operation: Any) -> Any:
        if operation.name == "stablehlo.custom_call":
            called.add(ir.StringAttr(operation.attributes["call_target_name"]).value)
        return ir.WalkResult.ADVANCE

    with make_ir_context():
        deserialize_portable_artifact(exported.mlir_module_serialized).operation.walk(look)
    if strange := sorted(called - _CALLED):
        raise UserError(f"calls {', '.join(map(repr, strange))}, which no export of madf_jax does")


def _taken_variables(
    exported: jax.export.Exported, uint8: bool, separate: bool
) -> Mapping[str, jax.ShapeDtypeStruct]:
    """What a program takes beside image and mask, by name."""
    arguments: Any = jax.tree.unflatten(exported.in_tree, exported.in_avals)[0]
    taken, arrays = (arguments[0] if separate else {}), arguments[separate:]
    dtypes = [getattr(array, "dtype", None) for array in arrays]
    if dtypes != [np.uint8 if uint8 else np.float32] * 2 or not isinstance(taken, Mapping):
        raise UserError("takes other arguments than it says")
    if (here := jax.export.default_export_platform()) not in exported.platforms:
        raise UserError(f"was exported for {', '.join(exported.platforms)}, and this is {here}")
    return taken


def _read_variables(path: Any, taken: Mapping[str, jax.ShapeDtypeStruct]) -> dict[str, Any]:
    leaves = {
        name: leaf
        for root, tree in load_weights(path).variables.items()
        for name, leaf in flatten(tree, root).items()
    }
    with error_context(path):
        compare_shapes(shapes_of(leaves), {name: leaf.shape for name, leaf in taken.items()})
    return {name: np.asarray(leaf, taken[name].dtype) for name, leaf in leaves.items()}


def _network_output(call: Any) -> Output:
    def output(variables: Any, image: jax.Array, mask: jax.Array) -> jax.Array:
        return to_pixels(call(variables, normalize(image), mask.astype(jnp.float32)))

    return output


def _composite_output(call: Any) -> Output:
    def output(variables: Any, image: jax.Array, mask: jax.Array) -> jax.Array:
        return call(variables, jnp.round(image).astype(jnp.uint8), mask).astype(jnp.float32)

    return output

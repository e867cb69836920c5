"""The training step on one device, or on all devices of all processes."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from madf_jax.errors import UserError
from madf_jax.state.train_state import AXIS, TrainState
from madf_jax.training.step import Metrics

Step = Callable[[TrainState, Any, Any], tuple[TrainState, Metrics]]
HostBatch = dict[str, np.ndarray]


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """A mesh with the one axis `AXIS` over the given devices, or over those of all processes."""
    devices = devices or jax.devices()
    return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of arrays that every device holds in full."""
    return NamedSharding(mesh, P())


@dataclasses.dataclass(frozen=True)
class Mapped:
    """A per-device step mapped over all devices, and the layout in which it expects batches.

    Attributes:
        step: jitted; donates the state. `step.lower(...)` accepts shapes as well as arrays.
        to_devices: turns a process's share of a batch (NumPy arrays, batch axis first) into what
            `step` expects.
        abstract: turns the shapes of a global batch into what `step.lower` expects.
    """

    step: Any
    to_devices: Callable[[HostBatch], Any]
    abstract: Callable[[Mapping[str, jax.ShapeDtypeStruct]], dict[str, jax.ShapeDtypeStruct]]


def parallelize(step: Step, mesh: Mesh, parallel: Literal["shard_map", "pmap"]) -> Mapped:
    """Maps a per-device step over all devices.

    Args:
        step: `train_step` with its static arguments bound. Everything it returns must be equal on
            all devices.
        mesh: from `data_mesh`.
        parallel: 'shard_map' works with any number of processes, 'pmap' maps the same step within
            one process.

    Raises:
        UserError: `parallel` is unknown, or 'pmap' with several processes.
    """
    if parallel == "shard_map":
        return _shard_map(step, mesh)
    if parallel == "pmap":
        if jax.process_count() > 1:
            raise UserError(
                "training.parallel='pmap' keeps its results local to a process, so "
                f"{jax.process_count()} processes can't save them; use 'shard_map'"
            )
        return _pmap(step, mesh)
    raise UserError(f"training.parallel is {parallel!r}; use 'shard_map' or 'pmap'")


def _shard_map(step: Step, mesh: Mesh) -> Mapped:
    # What the step returns is equal on every device because it has been averaged; `check_vma`
    # can't see that.
    mapped = jax.shard_map(
        step, mesh=mesh, in_specs=(P(), P(AXIS), P()), out_specs=P(), check_vma=False
    )
    by_data = NamedSharding(mesh, P(AXIS))
    return Mapped(
        jax.jit(mapped, donate_argnums=0),
        lambda batch: {
            name: jax.make_array_from_process_local_data(by_data, array)
            for name, array in batch.items()
        },
        lambda batch: {
            name: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=by_data)
            for name, leaf in batch.items()
        },
    )


def _pmap(step: Step, mesh: Mesh) -> Mapped:
    mapped = jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(None, 0, None),
        out_axes=None,
        devices=mesh.devices.tolist(),
        donate_argnums=0,
    )

    def shape(leaf: Any) -> tuple[int, ...]:
        return (mesh.size, leaf.shape[0] // mesh.size, *leaf.shape[1:])

    return Mapped(
        mapped,
        lambda batch: {name: array.reshape(shape(array)) for name, array in batch.items()},
        lambda batch: {
            name: jax.ShapeDtypeStruct(shape(leaf), leaf.dtype) for name, leaf in batch.items()
        },
    )

"""One step on one device, or on all devices of all processes."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from madf_jax.errors import UserError
from madf_jax.run.state import AXIS, TrainState
from madf_jax.training.step import Batch, Metrics

Step = Callable[[TrainState, Any, Any], tuple[TrainState, Metrics]]
HostBatch = dict[str, np.ndarray]


def data_mesh(devices: Sequence[jax.Device] | None = None) -> Mesh:
    """Devices on the axis `AXIS`: those given, or all devices of all processes."""
    devices = devices or jax.devices()
    return jax.make_mesh((len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices)


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of what every device holds whole."""
    return NamedSharding(mesh, P())


def parallelize(
    step: Step, mesh: Mesh, parallel: Literal["shard_map", "pmap"]
) -> tuple[Step, Callable[[HostBatch], Batch]]:
    """Maps a per-device step over all devices.

    Args:
        step: `train_step` with its static arguments bound. It must make all that it returns equal
            on every device.
        mesh: from `data_mesh`.
        parallel: 'shard_map', which serves any number of processes; or 'pmap', the same step on one
            process.

    Returns:
        The compiled step, which donates the state; and what brings a process's share of a batch,
        uint8 NumPy arrays with the batch axis first, to the form which that step takes.

    Raises:
        UserError: `parallel` is unknown, or 'pmap' with several processes.
    """
    if parallel == "shard_map":
        # What the step returns is equal on every device because it has been averaged; `check_vma`
        # can't see that.
        mapped = jax.shard_map(
            step, mesh=mesh, in_specs=(P(), P(AXIS), P()), out_specs=P(), check_vma=False
        )
        by_data = NamedSharding(mesh, P(AXIS))
        return jax.jit(mapped, donate_argnums=0), lambda batch: {
            name: jax.make_array_from_process_local_data(by_data, array)
            for name, array in batch.items()
        }
    if parallel == "pmap":
        if jax.process_count() > 1:
            raise UserError(
                "training.parallel='pmap' keeps its results local to a process, so "
                f"{jax.process_count()} processes can't save them; use 'shard_map'"
            )
        pmapped = jax.pmap(
            step,
            axis_name=AXIS,
            in_axes=(None, 0, None),
            out_axes=None,
            devices=mesh.devices.tolist(),
            donate_argnums=0,
        )
        devices = mesh.size
        return pmapped, lambda batch: {
            name: array.reshape(devices, -1, *array.shape[1:]) for name, array in batch.items()
        }
    raise UserError(f"training.parallel is {parallel!r}; use 'shard_map' or 'pmap'")

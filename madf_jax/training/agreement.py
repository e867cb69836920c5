"""What the processes of a job find out together: every function here must be called by all."""

import contextlib
import json
import time
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from madf_jax.checkpoints.ownership import LOCK
from madf_jax.errors import UserError
from madf_jax.files import AnyPath
from madf_jax.processes import gather, together
from madf_jax.state.train_state import AXIS

_NAMED = 3
_PATIENCE = 10.0  # seconds


def require_agreement(config: dict[str, Any], data: dict[str, Any], newest: int | None) -> None:
    """Compares what the processes were started with and what they see.

    Args:
        config: values by key that must be the same in all processes, JSON-able.
        data: facts on what this process reads, likewise.
        newest: step of the newest checkpoint that it sees in the working directory.

    Raises:
        UserError: they differ; the message names the first differences.
    """
    everyones = [json.loads(text) for text in gather(json.dumps([config, data, newest]))]
    configs, datas, steps = zip(*everyones, strict=True)
    if differences := _differences(configs):
        raise UserError(
            f"the processes of this job differ in their config: {differences}; start all of them "
            "with the same flags"
        )
    if differences := _differences(datas):
        raise UserError(
            f"the processes of this job see different data: {differences}; start all of them on "
            "folders with the same files"
        )
    if len(set(steps)) > 1:
        seen = ", ".join(
            f"process {index} {'none' if step is None else f'step {step}'}"
            for index, step in enumerate(steps)
        )
        raise UserError(
            f"the processes of this job see different newest checkpoints in --workdir ({seen}); "
            "make the same directory reachable from all of them"
        )


def require_same_directory(directory: AnyPath, token: str) -> None:
    """Finds out whether all processes mean the same directory.

    Args:
        directory: of this process.
        token: what process 0 wrote to its file `LOCK` there; of the others, anything.

    Raises:
        UserError: a process finds something else there.
    """
    written = gather(token)[0]
    with together():
        if not _finds(directory / LOCK, written):
            raise UserError(
                f"--workdir={directory} is not the directory that process 0 has under this name; "
                "make the same one reachable from all processes"
            )


def _finds(path: AnyPath, text: str) -> bool:
    """Whether a file begins with a text, or comes to hold it: network file systems take a while."""
    end = time.monotonic() + _PATIENCE
    while True:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if path.read_text().startswith(text):
                return True
        if time.monotonic() > end:
            return False
        time.sleep(0.1)


class Vote:
    """Whether any process wants to stop, known to all of them at the same step."""

    def __init__(self, mesh: Mesh) -> None:
        """For the processes that own the devices of `mesh`, which have one axis."""
        self._by_process = NamedSharding(mesh, P(AXIS))
        self._any = jax.jit(lambda votes: votes.any(), out_shardings=NamedSharding(mesh, P()))
        self._devices = len(mesh.local_devices)
        self._pending: jax.Array | None = None

    def __call__(self, stop: bool) -> bool:
        """Counts the votes of this step while the devices compute.

        Returns:
            Whether any process voted to stop at the step before: nobody waits for this one.
        """
        if jax.process_count() == 1:
            return stop
        own = np.full(self._devices, stop)
        votes = jax.make_array_from_process_local_data(self._by_process, own)
        before, self._pending = self._pending, self._any(votes)
        return before is not None and bool(before)


def _differences(everyones: tuple[dict[str, Any], ...]) -> str:
    """The first keys whose values differ, each with process 0's and another's; '' if none do."""
    found = []
    for key in sorted(set().union(*everyones)):
        values = [own.get(key) for own in everyones]
        other = next((i for i, value in enumerate(values) if value != values[0]), 0)
        if other:
            found.append(f"{key} is {values[0]} in process 0, {values[other]} in process {other}")
    more = f"; and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return "; ".join(found[:_NAMED]) + more

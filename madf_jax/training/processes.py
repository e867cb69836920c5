"""Joining the processes of a job, and leaving them when one of them has gone."""

import hashlib
import os
import sys
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils

from madf_jax.errors import UserError

LOST = (
    "the processes can't go on together, since one of them has probably ended. Start all of them "
    "again: the run goes on from its last checkpoint"
)

TOO_LARGE = (
    "the step needs more memory than a device has: lower training.batch_size, or raise "
    "training.accumulate_steps, or set network.remat=everything or network.dtype=bfloat16"
)


def join(
    coordinator: str | None, num_processes: int | None, process_id: int | None, timeout: int
) -> None:
    """Joins the other processes, if there are any; must come before JAX's devices are asked for.

    Without arguments a TPU pod, Slurm and Open MPI are found by JAX itself; elsewhere this is the
    only process.

    Args:
        coordinator: HOST:PORT of process 0.
        num_processes: of the job.
        process_id: which of them this is, from 0.
        timeout: seconds after which a process that is not heard of counts as gone; then the others
            end.

    Raises:
        UserError: not all three are given, they do not fit together, or the others can't be
            reached.
    """
    given = {
        "--coordinator": coordinator,
        "--num_processes": num_processes,
        "--process_id": process_id,
    }
    missing = [name for name, value in given.items() if value is None]
    if len(missing) == len(given):
        try:
            jax.distributed.initialize(heartbeat_timeout_seconds=timeout)
        except (RuntimeError, ValueError) as error:
            if "coordinator_address should be defined" not in str(error):
                raise _unreachable("the cluster's coordinator", error) from None
            # No cluster around.
    elif missing:
        raise UserError(f"{', '.join(given)} go together; {', '.join(missing)} is missing")
    else:
        _join_by_flags(str(coordinator), int(num_processes or 0), int(process_id or 0), timeout)


def _join_by_flags(coordinator: str, num_processes: int, process_id: int, timeout: int) -> None:
    host, _, port = coordinator.rpartition(":")
    if not (host and port.isdecimal()):
        raise UserError(f"--coordinator={coordinator}: give HOST:PORT of process 0")
    if not 0 <= process_id < num_processes:
        raise UserError(
            f"--process_id={process_id} must be at least 0 and below --num_processes="
            f"{num_processes}"
        )
    try:
        jax.distributed.initialize(
            coordinator, num_processes, process_id, heartbeat_timeout_seconds=timeout
        )
    except (RuntimeError, ValueError) as error:
        raise _unreachable(coordinator, error) from None


def _unreachable(coordinator: str, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:200]
    return UserError(f"can't join the processes at {coordinator}: {reason}")


def require_agreement(text: str) -> None:
    """Compares what the processes were started with; all of them must call it.

    Args:
        text: of this process.

    Raises:
        UserError: the texts are not all the same.
    """
    if jax.process_count() == 1:
        return
    own = np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)
    everyones = multihost_utils.process_allgather(own)
    if (everyones != everyones[0]).any():
        raise UserError(
            "the processes of this job differ in their config or see other data; start all of them "
            "with the same flags, on folders with the same files"
        )


def leave(message: str) -> NoReturn:
    """Ends this process with a message and status 1, and does not wait for the others.

    An ordinary end waits for all processes, and one that has gone would be waited for long.
    """
    if not jax.distributed.is_initialized():
        sys.exit(message)
    print(message, file=sys.stderr, flush=True)
    sys.stdout.flush()
    os._exit(1)

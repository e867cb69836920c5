"""Joining the processes of a job, talking to them, and leaving when one of them has gone."""

import contextlib
import os
import re
import sys
import threading
import traceback
from collections.abc import Iterator
from typing import Any, NoReturn

import jax
import numpy as np
from absl import logging
from jax.experimental import multihost_utils

from madf_jax.errors import UserError, escape

LOST = (
    "this process can't continue, since another one of the job has probably ended. Start all of "
    "them again: the run resumes from its last checkpoint"
)

# As XLA words a failed computation. Arrays that are read later raise it as a ValueError.
_XLA_STATUS = re.compile(
    r"(ABORTED|CANCELLED|DATA_LOSS|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|UNKNOWN): "
)

_FLAGS = ("--coordinator", "--num_processes", "--process_id")
_ALONE = "for a single process, pass --num_processes=1"
_QUIET_SECONDS = 10.0


def join(
    coordinator: str | None, num_processes: int | None, process_id: int | None, timeout: int
) -> None:
    """Joins the other processes, if there are any; must come before JAX's devices are asked for.

    Without arguments, JAX finds out about TPU pods, Slurm, Open MPI and Kubernetes; elsewhere this
    is the only process.

    Args:
        coordinator: HOST:PORT of process 0.
        num_processes: of the job; 1 alone looks for no others.
        process_id: which of them this is, from 0.
        timeout: seconds after which a process that has not been heard of is considered lost; then
            the others end.

    Raises:
        UserError: not all three are given, they do not fit together, or the others can't be
            reached.
    """
    given = (coordinator, num_processes, process_id)
    missing = [name for name, value in zip(_FLAGS, given, strict=True) if value is None]
    if not missing:
        _join_by_flags(str(coordinator), int(num_processes or 0), int(process_id or 0), timeout)
    elif len(missing) == len(_FLAGS):
        _join_by_environment(timeout)
    elif given != (None, 1, None):
        raise UserError(f"{', '.join(_FLAGS)} go together; {', '.join(missing)} is missing")


@contextlib.contextmanager
def ending_together(program: str, too_large: str) -> Iterator[None]:
    """Runs what a program does; where it fails, the other processes of its job end, too.

    Args:
        program: name of the script, for messages.
        too_large: what to do if a device has too little memory.

    Raises:
        UserError: this process is the only one, and the cause fits into one line. Anything else is
            raised as it is. In one of several processes nothing is raised: it leaves.
    """
    try:
        yield
    except Exception as error:
        line = _one_line(error, too_large)
        if jax.distributed.is_initialized():
            if not line:
                traceback.print_exc()
                line = "this process failed, and the others of the job end with it"
            leave(f"{program}: {line}")
        if isinstance(error, UserError) or not line:
            raise
        raise UserError(line) from None


def _one_line(error: Exception, too_large: str) -> str:
    """What a user can do something about; "" for anything else."""
    if isinstance(error, UserError | OSError | MemoryError):
        return str(error) or type(error).__name__
    if "RESOURCE_EXHAUSTED" in str(error):
        return too_large
    if jax.process_count() > 1 and is_runtime_failure(error):
        return f"{LOST}: {' '.join(str(error).split())[:300]}"
    return ""


def leave(message: str) -> NoReturn:
    """Ends this process of a job with a message and status 1, and does not wait for the others.

    An ordinary end waits for all processes, and one that has gone would be waited for long.
    """
    with contextlib.suppress(OSError):  # the terminal may be gone
        print(message, file=sys.stderr, flush=True)
        sys.stdout.flush()
    os._exit(1)


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Runs something that must succeed in every process.

    Nothing inside may wait for the other processes.

    Raises:
        UserError: it failed in one of them; all raise what the first one of those did.
    """
    failure = ""
    try:
        yield
    except UserError as error:
        failure = str(error)
    for index, text in enumerate(gather(failure)):
        if text:
            raise UserError(text if index == jax.process_index() else f"process {index}: {text}")


def gather(text: str) -> list[str]:
    """The texts of all processes, in their order; must be called by all of them."""
    if jax.process_count() == 1:
        return [text]
    own = np.frombuffer(text.encode(), np.uint8)
    lengths = multihost_utils.process_allgather(np.array(own.size))
    padded = np.zeros(max(1, lengths.max()), np.uint8)
    padded[: own.size] = own
    rows = multihost_utils.process_allgather(padded)
    return [row[:n].tobytes().decode() for row, n in zip(rows, lengths, strict=True)]


def is_runtime_failure(error: Exception) -> bool:
    """Whether devices or their connections failed, as they do where another process has gone."""
    return isinstance(error, jax.errors.JaxRuntimeError) or bool(_XLA_STATUS.match(str(error)))


def _join_by_environment(timeout: int) -> None:
    try:
        with _waiting_logged():
            _initialize(timeout)
    except Exception as error:  # of JAX, of a cluster's client, of what it reads from files
        if "coordinator_address should be defined" in str(error):
            return  # no cluster around
        raise UserError(
            f"can't join the processes that the environment of this one implies: {_reason(error)}; "
            f"give {', '.join(_FLAGS)}; {_ALONE}"
        ) from None


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
        with _waiting_logged():
            _initialize(timeout, coordinator, num_processes, process_id)
    except (RuntimeError, ValueError) as error:
        raise UserError(f"can't join the processes at {coordinator}: {_reason(error)}") from None


def _initialize(timeout: int, *job: Any) -> None:
    # JAX's own service listens to SIGTERM only, and takes it from Python.
    jax.config.update("jax_enable_preemption_service", False)
    jax.distributed.initialize(*job, heartbeat_timeout_seconds=timeout)  # type: ignore[misc]


@contextlib.contextmanager
def _waiting_logged() -> Iterator[None]:
    """Logs a line if joining takes long: other processes may never have been started."""
    line = f"Waiting for the other processes of this job ({_ALONE})"
    timer = threading.Timer(_QUIET_SECONDS, logging.info, (line,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _reason(error: Exception) -> str:
    return escape(" ".join(str(error).split()) or type(error).__name__)[:200]

"""One training at a time in a working directory."""

import contextlib
import datetime
import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path

from absl import logging

from madf_jax.errors import UserError
from madf_jax.files import system_errors

LOCK = "training.lock"
"""File in a working directory that a training keeps locked and describes itself in."""


@contextlib.contextmanager
def exclusive(workdir: Path) -> Iterator[str]:
    """Keeps a working directory for this process, until it ends in whatever way.

    The system releases the lock with the process; the file stays.

    Args:
        workdir: an existing directory.

    Yields:
        What the file holds: different for every training.

    Raises:
        UserError: another process has it, which the message names; or the file can't be written.
    """
    path = workdir / LOCK
    now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    text = f"process {os.getpid()} on {socket.gethostname()} since {now} ({secrets.token_hex(8)})"
    with contextlib.ExitStack() as stack:
        with system_errors(path):
            file = stack.enter_context(path.open("a+"))
            _lock(workdir, file.fileno(), path)
            file.truncate(0)
            file.write(text)
            file.flush()
        yield text


def _lock(workdir: Path, descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = path.read_text(errors="replace") or "which has just begun"
        raise UserError(
            f"--workdir={workdir} is in use by another training: {holder}. Wait until it ends or "
            "stop it, or name another directory"
        ) from None
    except OSError as error:  # some network file systems have no locks
        logging.warning(
            "%s can't be locked (%s): make sure that no other training uses this directory",
            path,
            error.strerror,
        )

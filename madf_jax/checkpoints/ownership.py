"""One training at a time in a working directory, on a disk or in a bucket."""

import contextlib
import datetime
import fcntl
import os
import secrets
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from absl import logging

from madf_jax.checkpoints.holder import identify, is_alive
from madf_jax.errors import UserError
from madf_jax.files import AnyPath, in_bucket, system_errors

LOCK = "training.lock"
"""File in a working directory that a training keeps locked and describes itself in."""

_BEAT = 10.0  # seconds between signs of life in a bucket
_SILENCE = 45.0  # seconds without one, after which a training there is taken for dead


@contextlib.contextmanager
def exclusive(workdir: AnyPath) -> Iterator[str]:
    """Keeps a working directory for this process, until it ends in whatever way.

    On a disk the system releases the lock with the process; the file stays. A bucket has no locks:
    there the file names the process, shows signs of life, and is removed in the end. A training
    that ended without doing so is known to have ended if it ran on this machine; one of another is
    waited for, until its silence has lasted long enough.

    Args:
        workdir: an existing directory.

    Yields:
        What the file holds: different for every training.

    Raises:
        UserError: another process has it, which the message names; or the file can't be written.
    """
    now = datetime.datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    text = f"process {os.getpid()} on {socket.gethostname()} since {now} ({secrets.token_hex(8)})"
    with _in_bucket(workdir, text) if in_bucket(workdir) else _on_disk(Path(workdir), text):
        yield text


@contextlib.contextmanager
def _on_disk(workdir: Path, text: str) -> Iterator[None]:
    path = workdir / LOCK
    with contextlib.ExitStack() as stack:
        with system_errors(path):
            file = stack.enter_context(path.open("a+"))
            _lock(workdir, file.fileno(), path)
            file.truncate(0)
            file.write(text)
            file.flush()
        yield


def _lock(workdir: Path, descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _in_use(workdir, path.read_text(errors="replace")) from None
    except OSError as error:  # some network file systems have no locks
        logging.warning(
            "%s can't be locked (%s): make sure that no other training uses this directory",
            path,
            error.strerror,
        )


@contextlib.contextmanager
def _in_bucket(workdir: AnyPath, text: str) -> Iterator[None]:
    path, ended = workdir / LOCK, threading.Event()
    text = f"{text}\n{identify()}"
    clear_abandoned_lock(workdir)
    with system_errors(path):
        path.write_text(f"{text}\n0")
        # Of several that found it free, the last one to write has it.
        time.sleep(1)
        if not _is_mine(path, text):
            raise _in_use(workdir, path.read_text())
    beating = threading.Thread(target=_beat, args=(path, text, ended), daemon=True)
    beating.start()
    try:
        yield
    finally:
        ended.set()
        beating.join()
        with contextlib.suppress(Exception):  # the next training finds out by the silence
            if _is_mine(path, text):
                path.unlink()


def clear_abandoned_lock(workdir: AnyPath) -> None:
    """Removes the lock that a killed training left in a bucket.

    So that whoever reads the working directory then finds it as that training left it.

    Raises:
        UserError: that training lives, or the bucket can't be used.
    """
    if in_bucket(workdir):
        with system_errors(workdir / LOCK):
            content = _content(workdir / LOCK)
            if content is not None and _is_abandoned(workdir, content):
                (workdir / LOCK).unlink()


def _is_abandoned(workdir: AnyPath, content: str) -> bool:
    """Whether the training that wrote a lock has ended; False if it removed the lock meanwhile."""
    alive = is_alive(content.partition("\n")[2].partition("\n")[0])
    if alive:
        raise _in_use(workdir, content)
    return alive is False or _stays_silent(workdir, content)


def _stays_silent(workdir: AnyPath, content: str) -> bool:
    path, end = workdir / LOCK, time.monotonic() + _SILENCE
    logging.info("%s is there: waiting %.0f s for a sign of life of that training", path, _SILENCE)
    while time.monotonic() < end:
        time.sleep(1)
        now = _content(path)
        if now is None:
            return False
        if now != content:
            raise _in_use(workdir, now)
    return True


def _beat(path: AnyPath, text: str, ended: threading.Event) -> None:
    """Shows signs of life; ends this process if another training has taken over meanwhile."""
    count = 0
    while not ended.wait(_BEAT):
        count += 1
        try:
            found = _content(path)
            if found is None or found.startswith(text):
                path.write_text(f"{text}\n{count}")
                continue
        except Exception as error:  # a network that fails for a while
            logging.warning("%s can't be renewed: %s", path, error)
            continue
        print(
            f"train.py: {path} is another training's by now: this one ends, since two would spoil "
            "each other's checkpoints",
            file=sys.stderr,
            flush=True,
        )
        os._exit(1)


def _is_mine(path: AnyPath, text: str) -> bool:
    return (_content(path) or "").startswith(text)


def _content(path: AnyPath) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def _in_use(workdir: AnyPath, content: str) -> UserError:
    holder = content.partition("\n")[0] or "which has just begun"
    return UserError(
        f"--workdir={workdir} is in use by another training: {holder}. Wait until it ends or "
        "stop it, or name another directory"
    )

"""Runs a worker for at most so many seconds."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from madf_jax.benchmark.gpu import worker
from madf_jax.benchmark.gpu.series import Row, Series
from madf_jax.benchmark.gpu.worker import Task
from madf_jax.errors import UserError

# JAX takes three quarters of a card's memory by default.
_MEMORY_SHARE = "0.95"
_DESCRIBE_SECONDS = 120.0


class Ended(Exception):
    """A worker ended before it was done; the message is why."""


def describe_card(task: Task, cache: Path) -> dict[str, Any]:
    """The card, the machine and the rates of a matmul.

    Raises:
        UserError: JAX finds no such device.
    """
    try:
        (message,) = _messages(task, cache, _DESCRIBE_SECONDS)
    except Ended as ended:
        raise UserError(
            f"no GPU is here that JAX can use: {ended}; requirements-gpu.txt has JAX for one"
        ) from None
    card: dict[str, Any] = message["card"]
    return card


def measure(task: Task, cache: Path, seconds: float) -> Iterator[Row]:
    """Rows of a series as they are measured; the last one says so if the time was too short.

    Args:
        task: with a series.
        cache: directory of compiled programs.
        seconds: after which the process is killed.
    """
    series, begun = task.series, 1
    assert series is not None
    try:
        for message in _messages(task, cache, seconds):
            if "begun" in message:
                begun = message["begun"]
            else:
                fields = message["row"]
                yield Row(Series(**fields.pop("series")), **fields)
    except Ended as ended:
        yield Row(series, begun, note=str(ended))


def environment(platform: str, cache: Path) -> dict[str, str]:
    """Of a process on a platform that keeps compiled programs in `cache`."""
    return {
        "XLA_PYTHON_CLIENT_MEM_FRACTION": _MEMORY_SHARE,
        **os.environ,
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PLATFORMS": platform,
    }


def _messages(task: Task, cache: Path, seconds: float) -> Iterator[dict[str, Any]]:
    """What a worker reports.

    Raises:
        Ended: it failed, crashed, or the time was up.
    """
    command = [sys.executable, "-m", worker.__name__, json.dumps(dataclasses.asdict(task))]
    start = time.monotonic()
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment(task.platform, cache),
            text=True,
        ) as process,
    ):
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            for line in process.stdout or ():
                yield json.loads(line)
            status = process.wait()
        finally:
            timer.cancel()
            process.kill()
        if status == -signal.SIGKILL and time.monotonic() - start >= seconds:
            raise Ended(f"stopped after {seconds:.0f} s, its share of the time")
        if status:
            raise Ended(_last_line(errors) or f"ended with status {status}")


def _last_line(errors: IO[str]) -> str:
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    return lines[-1][:160] if lines else ""

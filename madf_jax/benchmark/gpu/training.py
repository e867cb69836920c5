"""A real training on the card: `train.py` for a few minutes, and what its log says."""

import dataclasses
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from madf_jax.benchmark.gpu.launch import environment

_REPOSITORY = Path(__file__).resolve().parents[3]
_STOPPED = 75  # the status of train.py after a SIGTERM that it obeyed
_SAVING_SECONDS = 60
# The cache is that of all processes of the report.
_CHANGES = ("--config.network.dtype=bfloat16", "--config.training.compile_cache=False")
_HEARTBEAT = re.compile(
    r"heartbeat: step (?P<step>\d+) of \d+, loss (?P<loss>\S+), (?P<rate>\S+) images/s, "
    r"(?P<waiting>\d+) % waiting for data, (?P<memory>\S+) GB at most"
)


@dataclasses.dataclass(frozen=True)
class Training:
    """What was trained.

    Attributes:
        command: without the working directory, which is gone.
        seconds: until it was asked to stop, with starting and compiling.
        steps: at the last heartbeat, as all below.
        losses: at the first and at the last heartbeat.
        rate: images per second, median over heartbeats.
        waiting: share of the time in which the card waited for data, likewise.
        memory_gb: at most.
        note: why it failed; then the others may be None.
    """

    command: str
    seconds: float
    steps: int | None = None
    losses: tuple[float, float] | None = None
    rate: float | None = None
    waiting: float | None = None
    memory_gb: float | None = None
    note: str = ""


def train_for(seconds: float, config: str, platform: str, cache: Path, log: Path) -> Training:
    """Starts `train.py` in a fresh working directory and asks it to stop after `seconds`.

    Args:
        seconds: of training, with starting and compiling; saving comes after.
        config: a file of configs/.
        platform: JAX's name of it.
        cache: directory of compiled programs.
        log: is replaced by what train.py prints.
    """
    flags = [f"--config={config}", *_CHANGES]
    command = "python train.py " + " ".join(flags)
    if not (_REPOSITORY / "train.py").is_file():
        return Training(command, 0.0, note="train.py is not beside the package: use a clone")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="madf-jax-") as workdir, log.open("w") as printed:
        process = subprocess.Popen(
            [sys.executable, "train.py", *flags, f"--workdir={workdir}"],
            cwd=_REPOSITORY,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=environment(platform, cache),
        )
        status, ended = _stop(process, seconds)
    text = log.read_text(errors="replace")
    trained = Training(command, min(seconds, ended - start), **read_heartbeats(text))
    if status in (0, _STOPPED):
        return trained
    if status is None:
        note = f"it had not ended {_SAVING_SECONDS} s after it was asked to stop"
    else:
        note = (text.strip().splitlines() or [f"status {status}"])[-1][:160]
    return dataclasses.replace(trained, note=note)


def read_heartbeats(text: str) -> dict[str, Any]:
    """Fields of `Training` from a log; a note if no step was logged."""
    beats = list(_HEARTBEAT.finditer(text))
    if not beats:
        return {"note": "no step was logged in this time"}
    losses = [float(beat["loss"]) for beat in beats]
    return {
        "steps": int(beats[-1]["step"]),
        "losses": (losses[0], losses[-1]),
        "rate": statistics.median(float(beat["rate"]) for beat in beats),
        "waiting": statistics.median(float(beat["waiting"]) for beat in beats) / 100,
        "memory_gb": float(beats[-1]["memory"]),
    }


def _stop(process: subprocess.Popen[bytes], seconds: float) -> tuple[int | None, float]:
    """The status, None if it had to be killed; and when it was asked to stop or ended by itself."""
    try:
        return process.wait(seconds), time.monotonic()
    except subprocess.TimeoutExpired:
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(_SAVING_SECONDS), asked
        except subprocess.TimeoutExpired:
            return None, asked
    finally:
        process.kill()
        process.wait()

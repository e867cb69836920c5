"""Small trainings as real processes, to be killed: `train.py` on loopback, one job in one place."""

import contextlib
import dataclasses
import itertools
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import BinaryIO, Self

from madf_jax.checkpoints.manager import saved_steps
from madf_jax.files import AnyPath, in_bucket
from tests.faults.places import Place
from tests.narrow import NARROW

ROOT = Path(__file__).parents[2]
SETTINGS = {
    **NARROW,
    "training.checkpoint_every": 4,
    "training.validate_every": 1_000_000,
    "training.images_every": 1_000_000,
    "training.process_timeout": 100,
}
BEGUN = re.compile(r"Resuming from step (\d+)|heartbeat: step 5 of")
_MARKER = "commit_success.txt"  # of a complete checkpoint in a bucket
PATIENCE = 1800.0
"""Seconds after which something that should have happened has not: generous, machines are busy."""


@dataclasses.dataclass
class Job:
    """A training on so many processes, started again and again.

    A context manager: leaving it kills what still runs.

    Attributes:
        place: that the run is in; the logs of all starts lie in its folder.
        name: of the working directory.
        changes: to `SETTINGS`, by key.
        processes: of the job.
        workdirs: other working directories, by process.
        program: what is started in each process, before the flags.
    """

    place: Place
    name: str
    changes: dict[str, object] = dataclasses.field(default_factory=dict)
    processes: int = 1
    workdirs: dict[int, AnyPath] = dataclasses.field(default_factory=dict)
    program: tuple[str, ...] = ("train.py",)
    starts: int = 0
    running: list[subprocess.Popen] = dataclasses.field(default_factory=list)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Kills what still runs."""
        for process in self.running:
            process.kill()
            process.wait()

    @property
    def workdir(self) -> AnyPath:
        """Of the run."""
        return self.place.runs / self.name

    def start(self) -> None:
        """Starts all processes."""
        self.starts += 1
        self.place.folder.mkdir(parents=True, exist_ok=True)
        port = free_port()
        self.running = []
        for index in range(self.processes):
            with self.log(index).open("wb") as log:
                self.running.append(self.popen(index, port, log))

    def popen(self, index: int, port: int, log: BinaryIO) -> subprocess.Popen:
        """Starts process `index`, which writes to `log`."""
        return subprocess.Popen(
            [sys.executable, *self.program, *self._flags(index, port)],
            cwd=ROOT,
            env=self._environment(),
            stdout=log,
            stderr=subprocess.STDOUT,
        )

    def _flags(self, index: int, port: int) -> list[str]:
        changes = {**SETTINGS, **self.changes}
        flags = [
            "--config=configs/quickstart.py",
            f"--workdir={self.workdirs.get(index, self.workdir)}",
            *(f"--config.{key}={value}" for key, value in changes.items()),
        ]
        if self.processes == 1:
            return flags
        job = [f"--coordinator=localhost:{port}", f"--num_processes={self.processes}"]
        return [*flags, *job, f"--process_id={index}"]

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": "1",
            "JAX_COMPILATION_CACHE_DIR": str(self.place.compiled),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        }

    def log(self, index: int = 0) -> Path:
        """What process `index` wrote since the last start."""
        return self.place.folder / f"{self.name}.start{self.starts}.{index}.log"

    def text(self, index: int = 0) -> str:
        """The content of that file."""
        return self.log(index).read_text(errors="replace")

    def wait(self) -> list[int]:
        """Waits for the end of all processes; their exit statuses."""
        return [process.wait(PATIENCE) for process in self.running]

    def finish(self) -> None:
        """Starts and waits for the end of the run; a status other than 0 is an error."""
        self.start()
        statuses = self.wait()
        assert statuses == [0] * self.processes, self.text()[-3000:]

    def kill(self, index: int = 0) -> None:
        """Kills a process at once, `kill -9`."""
        self.running[index].send_signal(signal.SIGKILL)
        self.running[index].wait(PATIENCE)

    def await_text(self, pattern: re.Pattern[str] | str, index: int = 0) -> re.Match[str] | None:
        """Waits until a process wrote something; None if it ended without."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ended = self.running[index].poll() is not None
            if found := re.search(pattern, self.text(index)):
                return found
            if ended:
                return None
            time.sleep(0.02)
        raise TimeoutError(f"{pattern} did not come: {self.text(index)[-2000:]}")

    def await_save(self) -> bool:
        """Waits for a save to begin; False if the job ended before."""
        while self.running[0].poll() is None:
            if self.unfinished():
                return True
            time.sleep(0.001)
        return False

    def unfinished(self) -> list[AnyPath]:
        """Checkpoints that were begun and not ended."""
        directory, found = self.workdir / "checkpoints", []
        with contextlib.suppress(FileNotFoundError):  # not there yet, or gone meanwhile
            found = list(directory.iterdir())
        if not in_bucket(directory):
            return [path for path in found if "orbax-checkpoint-tmp" in path.name]
        # Below the newest one that has its marker, they are being deleted.
        steps = [path for path in found if path.name.isdecimal()]
        steps.sort(key=lambda path: int(path.name), reverse=True)
        return list(itertools.takewhile(lambda path: not (path / _MARKER).exists(), steps))

    def steps(self) -> list[int]:
        """Steps of the finished checkpoints."""
        return saved_steps(self.workdir)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]

"""Small trainings as real processes, to be killed: `train.py` on loopback, one job in one place."""

import dataclasses
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from tests.narrow import NARROW

ROOT = Path(__file__).parents[2]
SETTINGS = {
    **NARROW,
    "training.checkpoint_every": 4,
    "training.validate_every": 1_000_000,
    "training.images_every": 1_000_000,
    "training.process_timeout": 10,
}
BEGUN = re.compile(r"Resuming from step (\d+)|heartbeat: step 5 of")
PATIENCE = 900.0


@dataclasses.dataclass
class Job:
    """A training in `workdir` on so many processes, started again and again.

    Attributes:
        workdir: of the run; logs of all starts lie beside it.
        changes: to `SETTINGS`, by key.
        processes: of the job.
        compiled: directory of compiled programs, shared by jobs.
    """

    workdir: Path
    compiled: Path
    changes: dict[str, object] = dataclasses.field(default_factory=dict)
    processes: int = 1
    starts: int = 0
    running: list[subprocess.Popen] = dataclasses.field(default_factory=list)

    def start(self) -> None:
        """Starts all processes."""
        self.starts += 1
        flags = [f"--config.{key}={value}" for key, value in {**SETTINGS, **self.changes}.items()]
        port = free_port()
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": "1",
            "JAX_COMPILATION_CACHE_DIR": str(self.compiled),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
            "XLA_FLAGS": "--xla_backend_optimization_level=0",
        }
        self.running = []
        for index in range(self.processes):
            more = [f"--coordinator=localhost:{port}", f"--num_processes={self.processes}"]
            more = [*more, f"--process_id={index}"] if self.processes > 1 else []
            with self.log(index).open("w") as log:
                self.running.append(
                    subprocess.Popen(
                        [
                            *(sys.executable, "train.py", "--config=configs/quickstart.py"),
                            *(f"--workdir={self.workdir}", *flags, *more),
                        ],
                        cwd=ROOT,
                        env=environment,
                        stdout=log,
                        stderr=subprocess.STDOUT,
                    )
                )

    def log(self, index: int = 0) -> Path:
        """What process `index` wrote since the last start."""
        return self.workdir.with_name(f"{self.workdir.name}.start{self.starts}.{index}.log")

    def wait(self, patience: float = PATIENCE) -> list[int]:
        """Waits for the end of all processes; their exit statuses."""
        return [process.wait(patience) for process in self.running]

    def finish(self) -> None:
        """Starts and waits for the end of the run; a status other than 0 is an error."""
        self.start()
        statuses = self.wait()
        assert statuses == [0] * self.processes, self.log().read_text()[-3000:]

    def kill(self, index: int = 0) -> None:
        """Kills a process at once, `kill -9`."""
        self.running[index].send_signal(signal.SIGKILL)
        self.running[index].wait(PATIENCE)

    def await_text(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Waits until process 0 wrote something; None if it ended without."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            ended = self.running[0].poll() is not None
            if found := pattern.search(self.log().read_text()):
                return found
            if ended:
                return None
            time.sleep(0.02)
        raise TimeoutError(f"{pattern.pattern} did not come: {self.log().read_text()[-2000:]}")

    def await_save(self, patience: float) -> bool:
        """Waits for a save to begin; whether one did."""
        end = time.monotonic() + patience
        while time.monotonic() < end and self.running[0].poll() is None:
            if self.unfinished():
                return True
            time.sleep(0.001)
        return False

    def unfinished(self) -> list[Path]:
        """Checkpoints that were begun and not ended."""
        return list((self.workdir / "checkpoints").glob("*orbax-checkpoint-tmp*"))

    def steps(self) -> list[int]:
        """Steps of the finished checkpoints."""
        directory = self.workdir / "checkpoints"
        return sorted(int(path.name) for path in directory.glob("*") if path.name.isdecimal())


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        return listener.getsockname()[1]

"""A tiny run, and the programs that work on it with an emulated bucket."""

import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUCKET = "bkt"
PATIENCE = 600
STEPS = 16
_CHANGES = {
    "network.depth": 3,
    "network.widths": "(4,4,4)",
    "network.skip_widths": "(4,4,4)",
    "network.mask_width": 4,
    "network.norm_hidden": 4,
    "objective.perceptual": 0,
    "objective.style": 0,
    "data.size": 16,
    "data.resize_min": 16,
    "data.resize_max": 20,
    "optimizer.schedule": "constant",  # the number of steps may change
    "training.batch_size": 2,
    "training.steps": STEPS,
    "training.log_every": 1,
    "training.checkpoint_every": 4,
    "training.validate_every": 8,
    "training.images_every": 16,
    "training.process_timeout": 60,
    "evaluation.count": 3,
    "evaluation.validation_count": 2,
    "evaluation.batch_size": 2,
    "evaluation.grids": 1,
}
RUN = ["--config=configs/quickstart.py", *(f"--config.{k}={v}" for k, v in _CHANGES.items())]


class Program:
    """A script or the module, started with its output in a file.

    Args:
        command: what follows `python`.
        log: the file.
        environment: variables.
        within: a command that runs it somewhere else, such as in a network namespace.
    """

    def __init__(self, command: Sequence[str], log: Path, environment, within=()):
        self._log = log
        with log.open("w") as file:
            self.process = subprocess.Popen(
                [*within, sys.executable, *map(str, command)],
                cwd=ROOT,
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self):
        """What it has printed."""
        return self._log.read_text()

    def await_text(self, pattern):
        """Waits until it has printed something that matches."""
        end = time.monotonic() + PATIENCE
        while not re.search(pattern, self.text):
            assert self.process.poll() is None and time.monotonic() < end, self.text[-3000:]
            time.sleep(0.05)

    def require_end(self, status=0):
        """Waits for its end; returns what it printed."""
        assert self.process.wait(PATIENCE) == status, self.text[-3000:]
        return self.text

    def kill(self):
        """Ends it at once, as a machine that is taken away."""
        self.process.kill()
        self.process.wait()


def start_emulator(host, port, log):
    """Starts it and waits until it answers; with it, the variables of programs that find it."""
    emulator = Program(
        ["-m", "tests.buckets.emulator", host, str(port), BUCKET], log, dict(os.environ)
    )
    url = f"http://{host}:{port}"
    while True:
        try:
            urllib.request.urlopen(f"{url}/storage/v1/b/{BUCKET}", timeout=PATIENCE)
            break
        except OSError:
            assert emulator.process.poll() is None, emulator.text
            time.sleep(0.2)
    return emulator, os.environ | {
        "STORAGE_EMULATOR_HOST": url,
        "TENSORSTORE_GCS_HTTP_URL": url,
        "GOOGLE_AUTH_TOKEN_FOR_TESTING": "abc",
        "FSSPEC_GCS": '{"token": "anon"}',
        # Else gcsfs asks a gRPC service for what kind of bucket it is.
        "GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT": "false",
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": "1",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
    }


def job(coordinator, index, count=2):
    """The flags of one process of several."""
    flags = {"coordinator": coordinator, "num_processes": count, "process_id": index}
    return [f"--{name}={value}" for name, value in flags.items()]

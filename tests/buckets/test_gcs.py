"""Trainings and evaluations with their working directory on an emulated Google Cloud Storage."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
PATIENCE = 600
STEPS = 24
CHANGES = {
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
    "training.batch_size": 2,
    "training.steps": STEPS,
    "training.log_every": 1,
    "training.checkpoint_every": 4,
    "training.validate_every": 12,
    "training.images_every": 24,
    "training.process_timeout": 60,
    "evaluation.count": 3,
    "evaluation.validation_count": 2,
    "evaluation.batch_size": 2,
    "evaluation.grids": 1,
}
FLAGS = [f"--config.{key}={value}" for key, value in CHANGES.items()]

pytestmark = pytest.mark.slow


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def environment():
    """Of programs that find the emulator."""
    port = free_port()
    emulator = subprocess.Popen(
        [sys.executable, "-m", "tests.buckets.emulator", "127.0.0.1", str(port), "bkt"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    while True:
        try:
            urllib.request.urlopen(f"{url}/storage/v1/b/bkt", timeout=PATIENCE)
            break
        except OSError:
            assert emulator.poll() is None
            time.sleep(0.2)
    yield os.environ | {
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
    emulator.kill()
    emulator.wait()


@pytest.fixture
def start(environment, tmp_path):
    """Starts a script or the module; what is left running is ended with the test."""
    started = []

    def run(program, *flags):
        log = (tmp_path / f"{len(started)}.log").open("w+")
        process = subprocess.Popen(
            [sys.executable, *program, *flags],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        process.text = lambda: Path(log.name).read_text()
        started.append((process, log))
        return process

    yield run
    for process, log in started:
        process.kill()
        process.wait()
        log.close()


def train(start, workdir, *flags):
    return start(
        ["train.py"], "--config=configs/quickstart.py", f"--workdir={workdir}", *FLAGS, *flags
    )


def require_end(process, status=0):
    assert process.wait(PATIENCE) == status, process.text()[-3000:]
    return process.text()


def await_text(process, pattern):
    end = time.monotonic() + PATIENCE
    while not re.search(pattern, process.text()):
        assert process.poll() is None and time.monotonic() < end, process.text()[-3000:]
        time.sleep(0.05)


def arrays_of(start, source, target):
    """Of the newest checkpoint, Adam's moments as well."""
    require_end(start(["-m", "madf_jax", "convert", "--force"], str(source), str(target)))
    with np.load(target) as content:
        return dict(content)


@pytest.fixture(scope="module")
def on_disk(environment, tmp_path_factory):
    """The arrays that an undisturbed run on a disk ends with."""
    folder = tmp_path_factory.mktemp("disk")
    flags = ["--config=configs/quickstart.py", f"--workdir={folder / 'run'}", *FLAGS]
    options = {"cwd": ROOT, "env": environment, "check": True, "capture_output": True}
    subprocess.run([sys.executable, "train.py", *flags], **options)
    target = folder / "end.npz"
    command = ["-m", "madf_jax", "convert", folder / "run", target]
    subprocess.run([sys.executable, *command], **options)
    with np.load(target) as content:
        return dict(content)


def require_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)


def test_a_run_in_a_bucket_ends_as_one_on_a_disk(start, on_disk, tmp_path):
    """It is stopped by a signal, killed while it saves, and resumed; then evaluated in place."""
    workdir = "gs://bkt/runs/killed"
    first = train(start, workdir)
    await_text(first, r"step 2 of")
    second = train(start, workdir)
    assert "is in use by another training" in require_end(second, 1)
    first.send_signal(signal.SIGTERM)
    require_end(first, 75)
    third = train(start, workdir)
    await_text(third, r"Resuming from step \d")
    await_text(third, r"step \d+ of")
    time.sleep(1)  # into a save
    third.kill()
    third.wait()
    last = require_end(train(start, workdir))
    assert "waiting 45 s for a sign of life" in last or "Resuming" in last
    require_same(arrays_of(start, workdir, tmp_path / "end.npz"), on_disk)
    report = require_end(start(["eval.py"], f"--workdir={workdir}"))
    assert f"3 held-out images at step {STEPS}" in report
    assert f"Report: {workdir}/evaluation.html" in report


def test_two_processes_share_a_bucket(start, tmp_path):
    workdir, job = "gs://bkt/runs/pair", [f"--coordinator=localhost:{free_port()}"]
    job += ["--num_processes=2"]
    pair = [train(start, workdir, *job, f"--process_id={index}") for index in range(2)]
    for process in pair:
        require_end(process)
    job[0] = f"--coordinator=localhost:{free_port()}"
    pair = [
        start(["eval.py"], f"--workdir={workdir}", *job, f"--process_id={index}")
        for index in range(2)
    ]
    assert ["held-out images" in require_end(process) for process in pair] == [True, False]
    assert arrays_of(start, workdir, tmp_path / "end.npz")


def test_a_bucket_that_is_not_there_is_one_line(start):
    text = require_end(train(start, "gs://no-such-bucket/run"), 1)
    assert "Traceback" not in text and "Compiling" not in text
    assert re.search(r"^train\.py: .*gs://no-such-bucket/run.*$", text, re.MULTILINE)

"""One evaluation in any batches, on any devices, in any processes: the same rows."""

import csv
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.conftest import COUNT

ROOT = Path(__file__).parents[2]
COMMON = ["--config.data.size=64", "--config.data.resize_min=64", "--config.data.resize_max=90"]


def evaluate(workdir, output, *, batch_size, devices=1, processes=1):
    """The rows that eval.py writes, and what each of its processes printed."""
    flags = [f"--workdir={workdir}", f"--output={output}", "--config.evaluation.protocol=madf"]
    flags += [f"--config.evaluation.batch_size={batch_size}", *COMMON]
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "eval.py", *flags]
    if processes > 1:
        command += [f"--coordinator=localhost:{port}", f"--num_processes={processes}"]
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    started = [
        subprocess.Popen(
            [*command, *([f"--process_id={index}"] if processes > 1 else [])],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for index in range(processes)
    ]
    printed = [process.communicate() for process in started]
    assert [process.returncode for process in started] == [0] * processes, printed
    with (output / "evaluation.csv").open(newline="") as file:
        return list(csv.reader(file)), [out for out, _ in printed]


@pytest.fixture(scope="module")
def expected(workdir, tmp_path_factory):
    rows, _ = evaluate(workdir, tmp_path_factory.mktemp("report"), batch_size=COUNT)
    assert len(rows) == 1 + COUNT * 4
    return rows


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch_size", "devices", "processes"), [(1, 1, 1), (3, 4, 1), (8, 4, 1), (1, 1, 2), (3, 2, 2)]
)
def test_rows_are_the_same(workdir, tmp_path, expected, batch_size, devices, processes):
    rows, printed = evaluate(
        workdir, tmp_path, batch_size=batch_size, devices=devices, processes=processes
    )
    assert [row[:4] for row in rows] == [row[:4] for row in expected]
    for row, other in zip(rows[1:], expected[1:], strict=True):
        for value, number in zip(row[4:], other[4:], strict=True):
            assert float(value) == pytest.approx(float(number), rel=1e-6, abs=1e-6)
    assert ["held-out images" in out for out in printed] == [True, *[False] * (processes - 1)]
    assert (tmp_path / "evaluation.html").exists()

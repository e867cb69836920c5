"""However many processes and devices train: the same global batches give the same parameters."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.faults.jobs import PATIENCE, free_port

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name("layout.py")
# Processes, and devices of each: the ways that are trained there.
LAYOUTS = {
    (1, 1): ("SGD", "Adam"),
    (1, 4): ("SGD", "Adam", "SGD per device"),
    (2, 2): ("SGD", "Adam", "SGD per device"),
    (4, 1): ("SGD", "Adam"),
}


@pytest.fixture(scope="module")
def ends(tmp_path_factory):
    """What each layout ended with by each way of training, arrays by name."""
    folder, found = tmp_path_factory.mktemp("layouts"), {}
    for (processes, devices), ways in LAYOUTS.items():
        out, port = folder / f"{processes}x{devices}.npz", free_port()
        environment = {
            **os.environ,
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": str(devices),
            "JAX_COMPILATION_CACHE_DIR": str(folder / "compiled"),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        arguments = [sys.executable, str(SCRIPT), str(port), str(processes)]
        running = [
            subprocess.Popen([*arguments, str(index), str(out), *ways], env=environment)
            for index in range(processes)
        ]
        try:
            assert [process.wait(PATIENCE) for process in running] == [0] * processes
        finally:
            for process in running:
                process.kill()
        for name, leaf in np.load(out).items():
            way, _, name = name.partition("/")
            found.setdefault((processes, devices, way), {})[name] = leaf.astype(np.float64)
    return found


def largest_difference(one, other):
    """Relative to each array's norm; absolute for what Adam makes of rounding."""
    assert one.keys() == other.keys()
    found = []
    for name, expected in other.items():
        # A bias before a batch normalization has no gradient but rounding, and Adam scales it up.
        dead = name.endswith("['up']['bias']")
        norm = 1 if dead else max(np.linalg.norm(expected), 1e-3)
        found.append(np.linalg.norm(one[name] - expected) / norm)
    return max(found)


@pytest.mark.parametrize("layout", [(1, 4), (2, 2), (4, 1)])
@pytest.mark.parametrize(("way", "tolerance"), [("SGD", 1e-5), ("Adam", 1e-9)])
def test_every_layout_equals_one_device(ends, layout, way, tolerance):
    difference = largest_difference(ends[(*layout, way)], ends[1, 1, way])
    print(f"{way}, {layout[0]} x {layout[1]}: {difference:.1e}")
    assert difference < tolerance


def test_statistics_of_each_device_are_equal_where_devices_have_the_same_share(ends):
    per_device = ends[1, 4, "SGD per device"]
    difference = largest_difference(ends[2, 2, "SGD per device"], per_device)
    print(f"SGD per device, 2 x 2: {difference:.1e}")
    assert difference < 1e-5
    assert largest_difference(per_device, ends[1, 4, "SGD"]) > 1e-3

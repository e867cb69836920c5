"""The machine that runs the benchmark, and its rate for a matmul."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from madf_jax.benchmark.measure import alternate

_PACKAGES = ("jax", "jaxlib", "jax-cuda12-plugin", "jax-cuda13-plugin", "flax", "numpy", "torch")
_SIDE = 2048
_REPEATS = 15


def describe_machine(dtype: str) -> dict[str, Any]:
    """What a reader needs to know to judge the numbers, as JSON values."""
    device = jax.devices()[0]
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": device.device_kind,
        "platform": device.platform,
        "python": platform.python_version(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "matmul_gflops": matmul_gflops(dtype),
    }


def matmul_gflops(dtype: str, side: int = _SIDE) -> float:
    """10^9 operations per second of a matmul of two square matrices, by default 2048x2048."""
    # Random ones: cards compute with ones faster than with anything else.
    matrix = jnp.asarray(np.random.default_rng(0).standard_normal((side, side), np.float32), dtype)
    matmul = jax.jit(lambda a: a @ a)
    seconds = alternate({"matmul": lambda: matmul(matrix)}, _REPEATS)["matmul"]
    return 2 * side**3 / seconds / 1e9


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None

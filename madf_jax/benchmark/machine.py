"""The machine under the benchmark: what it is, and its rate for a product of matrices."""

import importlib.metadata
import os
import platform
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from madf_jax.benchmark.measure import alternate

_PACKAGES = ("jax", "jaxlib", "flax", "numpy", "torch")
_SIDE = 2048
_REPEATS = 15


def describe_machine(dtype: str) -> dict[str, Any]:
    """Facts that a reader needs to judge the numbers; plain JSON values."""
    device = jax.devices()[0]
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "device": device.device_kind,
        "platform": device.platform,
        "python": platform.python_version(),
        "versions": {name: version for name in _PACKAGES if (version := _version(name))},
        "matrix_product_gflops": matrix_product_gflops(dtype),
    }


def matrix_product_gflops(dtype: str) -> float:
    """10^9 operations a second of a product of two matrices of 2048 rows and columns."""
    matrix = jnp.ones((_SIDE, _SIDE), dtype)
    product = jax.jit(lambda a: a @ a)
    seconds = alternate({"product": lambda: product(matrix)}, _REPEATS)["product"]
    return 2 * _SIDE**3 / seconds / 1e9


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

"""Narrow networks with weights, and programs that run without this package."""

import os
import subprocess
import sys

import pytest

from madf_jax.weights import Weights

# Without what this package needs besides jax: a user of an export has only that.
WITHOUT_PACKAGE = """
import sys
for name in ("madf_jax", "flax", "optax", "orbax", "etils", "grain", "safetensors"):
    sys.modules[name] = None
"""


@pytest.fixture
def make_weights(make_network, make_variables):
    def make(depth=3, refinements=1, **facts):
        network = make_network(depth=depth, refinements=refinements)
        return Weights(network, **make_variables(network), **facts)

    return make


@pytest.fixture
def run_without_package(tmp_path):
    """Runs a program in a process of its own, in a folder; returns what it printed."""

    def run(program, folder=tmp_path):
        # As for anybody: one device, optimized, and nothing of this repository to import.
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        environment = kept | {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT_PACKAGE + program],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run

"""What all tests share: four CPU devices in one process, quick compilation, narrow networks."""

import os
import shutil
import signal
import tempfile
import threading

import jax
import numpy as np
import pytest
from absl import logging

from madf_jax import processes
from madf_jax.errors import UserError
from madf_jax.network import MADF
from tests.logs import capture_log

# A shell starts what runs in the background with SIGINT ignored, and Python keeps it so.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What one process of the tests has compiled, the others and the programs they start find here.
OWN_CACHE = None
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    OWN_CACHE = tempfile.mkdtemp(prefix="madf-jax-tests-")
    os.environ["JAX_COMPILATION_CACHE_DIR"] = OWN_CACHE
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    os.environ["JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES"] = "-1"
    jax.config.update("jax_compilation_cache_dir", OWN_CACHE)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)

jax.config.update("jax_num_cpu_devices", 4)


def pytest_configure(config):
    """Runs everything on the CPU but what `-m gpu` chooses, before JAX's backend starts."""
    if config.option.markexpr == "gpu":
        return
    jax.config.update("jax_platforms", "cpu")
    # Nearly all of the tests' time goes into compiling programs that run once.
    flags = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = f"{flags} --xla_backend_optimization_level=0"


def pytest_unconfigure(config):
    """Removes the cache with the process that made it, which is the last one to end."""
    if OWN_CACHE is not None:
        shutil.rmtree(OWN_CACHE, ignore_errors=True)


def narrow_network(**changes):
    widths = {"widths": (4, 6), "skip_widths": (6, 8), "mask_width": 3, "norm_hidden": 4}
    return MADF(**{"depth": 3, "refinements": 2, **widths, **changes})


def variables_by_rule(network, seed=0):
    """Variables of a trained-looking network: nothing is 0, variances are positive."""
    side = 2**network.depth
    shapes = jax.eval_shape(
        lambda: network.init(
            jax.random.key(0), np.zeros((1, side, side, 3)), np.ones((1, side, side, 1)), train=True
        )
    )
    generator = np.random.default_rng(seed)

    def fill(path, leaf):
        name = path[-1].key
        if name == "count":
            return np.full(leaf.shape, 7, leaf.dtype)
        values = generator.standard_normal(leaf.shape)
        if name in ("var", "scale"):
            values = np.exp(0.3 * values)
        elif name == "kernel":
            values = values * np.sqrt(2 / np.prod(leaf.shape[:-1]))
        else:
            values = 0.1 * values
        return values.astype(leaf.dtype)

    return jax.tree_util.tree_map_with_path(fill, shapes)


def images_and_masks(count=2, size=16, seed=0):
    """uint8 images (N, S, S, 3) and masks (N, S, S, 1) with a hole of a third of the pixels."""
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (count, size, size, 3), dtype=np.uint8)
    mask = (generator.random((count, size, size, 1)) > 1 / 3).astype(np.uint8)
    return image, mask


@pytest.fixture(autouse=True)
def verbosity_kept():
    """Commands that run inside a test choose what is logged; the next test shall see all again."""
    before = logging.get_verbosity()
    yield
    logging.set_verbosity(before)


@pytest.fixture
def log_lines():
    with capture_log() as lines:
        yield lines


@pytest.fixture(scope="session")
def make_network():
    return narrow_network


@pytest.fixture(scope="session")
def make_variables():
    return variables_by_rule


@pytest.fixture(scope="session")
def make_batch():
    return images_and_masks


@pytest.fixture
def play(monkeypatch):
    """Runs a function as each of several processes, in threads that gather what all of them give.

    Returns:
        For each process, what the function returned or the error it raised.
    """

    def run(functions):
        count = len(functions)
        barrier, given, own = threading.Barrier(count, timeout=60), {}, threading.local()

        def gather(array):
            given[own.index] = array
            barrier.wait()
            rows = np.stack([given[index] for index in range(count)])
            barrier.wait()
            return rows

        monkeypatch.setattr(jax, "process_count", lambda: count)
        monkeypatch.setattr(jax, "process_index", lambda: own.index)
        monkeypatch.setattr(processes.multihost_utils, "process_allgather", gather)
        results = {}

        def play_one(index, function):
            own.index = index
            try:
                results[index] = function()
            except UserError as error:
                results[index] = str(error)

        threads = [
            threading.Thread(target=play_one, args=(index, function))
            for index, function in enumerate(functions)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        return [results[index] for index in range(count)]

    return run

"""Small generators with random weights."""

import shutil

import numpy as np
import pytest

from madf_jax.network import MADF
from madf_jax.weights import Weights
from madf_jax.weights.adam import Adam
from madf_jax.weights.generator import from_reference
from madf_jax.weights.layouts import COUNT
from madf_jax.weights.table import parameter_names
from tests.weights.runs import random_state, save_run


def narrow_network(depth=3, refinements=1):
    # All sizes differ, so that no two axes can be mistaken for each other.
    return MADF(
        depth=depth,
        refinements=refinements,
        kernel_sizes=(7, 5, 3),
        widths=tuple(range(2, 2 + depth)),
        skip_widths=tuple(range(11, 11 + depth)),
        mask_width=9,
        norm_hidden=8,
    )


def random_state_dict(network, seed=0):
    """A state dict of the reference; its unused batch norms as freshly made."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for row in parameter_names(network):
        shape = row.reference_shape
        if row.layout is COUNT:
            arrays[row.name] = np.asarray(0 if row.collection == "unused" else 1234, np.int64)
        elif row.collection == "unused":
            arrays[row.name] = np.full(shape, row.fill, np.float32)
        elif row.name.endswith("running_var"):
            arrays[row.name] = generator.random(shape, np.float32)
        else:
            arrays[row.name] = generator.standard_normal(shape, np.float32)
    return arrays


def random_vgg(seed=0):
    generator = np.random.default_rng(seed)
    channels = {"1_1": (3, 64), "1_2": (64, 64), "2_1": (64, 128), "2_2": (128, 128)}
    channels |= {"3_1": (128, 256), "3_2": (256, 256), "3_3": (256, 256)}
    return {
        f"conv{name}": {
            "kernel": generator.standard_normal((3, 3, *sizes), np.float32),
            "bias": generator.standard_normal(sizes[1], np.float32),
        }
        for name, sizes in channels.items()
    }


def random_weights(depth=3, refinements=1, *, everything=False):
    network = narrow_network(depth, refinements)
    mu, nu, ema = (
        from_reference(random_state_dict(network, seed), network)["params"] for seed in (1, 2, 3)
    )
    nu = squares(nu)
    more = {}
    if everything:
        adam = Adam(mu=mu, nu=nu, count=77, learning_rate=5e-5, b1=0.5, b2=0.99, eps=1e-6)
        more = {"step": 77, "adam": adam, "ema": ema, "vgg": random_vgg()}
    return Weights(network, **from_reference(random_state_dict(network), network), **more)


def squares(tree):
    return {k: squares(v) if isinstance(v, dict) else v * v for k, v in tree.items()}


@pytest.fixture
def make_narrow():
    return narrow_network


@pytest.fixture
def make_state_dict():
    return lambda depth=3, refinements=1: random_state_dict(narrow_network(depth, refinements))


@pytest.fixture
def make_weights():
    return random_weights


@pytest.fixture
def make_vgg():
    return random_vgg


@pytest.fixture
def assert_identical():
    """Compares nested content bit by bit, dtypes and order of keys included."""

    def check(found, wanted, where=""):
        if isinstance(wanted, dict):
            assert list(found) == list(wanted), where
            for key in wanted:
                check(found[key], wanted[key], f"{where}/{key}")
        elif hasattr(wanted, "__array__"):
            found, wanted = np.asarray(found), np.asarray(wanted)
            assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), where
            assert found.tobytes() == wanted.tobytes(), where
        else:
            assert found == wanted, where

    return check


@pytest.fixture(scope="session")
def state(make_network):
    return random_state(make_network())


@pytest.fixture(scope="session")
def saved_run(state, tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "run"
    save_run(path, state)
    return path


@pytest.fixture
def workdir(saved_run, tmp_path):
    """Of a run with one checkpoint, that of `state`, and no config."""
    return shutil.copytree(saved_run, tmp_path / "run")

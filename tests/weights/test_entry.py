"""`madf_jax.weights.load` and `save`, the one entry point."""

import dataclasses
import subprocess
import sys

import jax
import numpy as np
import pytest

from madf_jax import weights as entry
from madf_jax.errors import UserError
from madf_jax.network import MADF


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_file_gives_its_network_ready_to_apply(suffix, make_weights, tmp_path):
    weights = make_weights(3, 1)
    entry.save(tmp_path / f"w{suffix}", weights)
    loaded = entry.load(tmp_path / f"w{suffix}")
    assert isinstance(loaded.network, MADF)
    image, mask = np.zeros((1, 8, 8, 3), np.float32), np.ones((1, 8, 8, 1), np.float32)
    outputs = jax.eval_shape(
        lambda v: loaded.network.apply(v, image, mask, train=False), loaded.variables
    )
    assert [output.shape for output in outputs] == [(1, 8, 8, 3)] * 2


def test_inference_uses_the_average_and_training_the_parameters(make_weights, tmp_path):
    weights = make_weights(3, 1, everything=True)
    entry.save(tmp_path / "w.npz", weights)
    loaded = entry.load(tmp_path / "w.npz")
    jax.tree.map(np.testing.assert_array_equal, loaded.variables["params"], weights.ema)
    jax.tree.map(np.testing.assert_array_equal, loaded.trained_variables["params"], weights.params)
    without = dataclasses.replace(loaded, ema=None)
    assert without.variables["params"] is loaded.params


def test_the_optimizer_is_read_only_if_asked_for(make_weights, tmp_path):
    entry.save(tmp_path / "w.npz", make_weights(everything=True))
    assert entry.load(tmp_path / "w.npz").adam is None
    assert entry.load(tmp_path / "w.npz", optimizer=True).adam.count == 77


@pytest.mark.parametrize(
    ("path", "message"),
    [("missing.npz", "no such file"), ("gs://bucket/w.npz", "only local paths"), ("", "is empty")],
)
def test_what_can_not_be_a_file_is_refused(path, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        entry.load(path)


def test_importing_the_package_imports_nothing_heavy():
    program = """
import sys, madf_jax.weights, madf_jax.weights.command
print(*sorted({"jax", "numpy", "PIL", "orbax", "flax", "torch"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""

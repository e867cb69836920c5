"""`madf_jax.weights.load` and `save`, the one entry point."""

import dataclasses
import json
import subprocess
import sys
import zipfile

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights import Weights, load, own_format, reference_format, save, stored
from madf_jax.weights.description import describe_network
from madf_jax.weights.tensor_files import write_tensors
from tests.trees import assert_identical
from tests.weights.damage import member, npy

PORTABLE = [".npz", ".safetensors"]
SUFFIXES = [*PORTABLE, pytest.param(".pth", marks=pytest.mark.torch)]


def needs_torch(suffix):
    if suffix == ".pth":
        pytest.importorskip("torch", reason=".pth files need the torch extra")


def content_of(weights, suffix):
    if suffix == ".pth":
        return reference_format.to_reference_checkpoint(weights, prefixes=False)
    return own_format.to_our_names(weights)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_gives_its_network_ready_to_apply(suffix, make_weights, tmp_path):
    needs_torch(suffix)
    save(tmp_path / f"w{suffix}", make_weights(3, 1))
    loaded = load(tmp_path / f"w{suffix}")
    image, mask = np.zeros((1, 8, 8, 3), np.float32), np.ones((1, 8, 8, 1), np.float32)
    outputs = jax.eval_shape(
        lambda variables: loaded.network.apply(variables, image, mask, train=False),
        loaded.variables,
    )
    assert [output.shape for output in outputs] == [(1, 8, 8, 3)] * 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_network_and_metadata_go_there_and_back(suffix, make_weights, tmp_path):
    needs_torch(suffix)
    weights = make_weights(4, 0)
    # Nothing in the shapes implies `norm_hidden` without refinement decoders.
    network = weights.network.clone(norm_hidden=77)
    metadata = {"config": {"data": {"size": 64}}, "note": "\u00e9\n", "holes": [0.5, None]}
    save(tmp_path / f"w{suffix}", dataclasses.replace(weights, network=network, metadata=metadata))
    found = load(tmp_path / f"w{suffix}")
    assert found.network == network
    assert found.metadata == metadata


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_how_a_network_computes_is_not_kept(suffix, make_weights, tmp_path):
    needs_torch(suffix)
    weights = make_weights()
    fast = weights.network.clone(dtype="bfloat16", remat="everything", filtering="patches")
    save(tmp_path / f"w{suffix}", dataclasses.replace(weights, network=fast))
    assert load(tmp_path / f"w{suffix}").network == weights.network


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_files_written_before_networks_were_described_load(suffix, make_weights, tmp_path):
    needs_torch(suffix)
    weights, path = make_weights(4, 2, everything=True), tmp_path / f"w{suffix}"
    content = content_of(weights, suffix)
    if suffix == ".npz":
        np.savez(path, **content)
    elif suffix == ".safetensors":
        content = {name: np.asarray(array, order="C") for name, array in content.items()}
        save_file(content, path, metadata={"format": "madf_jax"})
    else:
        write_tensors(path, content)
    found = load(path, optimizer=True)
    assert found.network == weights.network
    assert found.metadata == {}
    for name in ("params", "batch_stats", "ema", "vgg"):
        assert_identical(getattr(found, name), getattr(weights, name))
    assert_identical([found.adam.mu, found.adam.nu], [weights.adam.mu, weights.adam.nu])


def test_arrays_of_the_other_byte_order_load(make_weights, tmp_path):
    weights = make_weights(everything=True)
    content = own_format.to_our_names(weights)
    np.savez(
        tmp_path / "w.npz",
        **{name: array.astype(array.dtype.newbyteorder(">")) for name, array in content.items()},
    )
    found = load(tmp_path / "w.npz", optimizer=True)
    assert_identical(found.params, weights.params)
    assert_identical(found.batch_stats, weights.batch_stats)
    assert (found.step, found.adam.count) == (77, 77)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_inference_uses_the_average_and_training_the_parameters(suffix, make_weights, tmp_path):
    needs_torch(suffix)
    weights = make_weights(3, 1, everything=True)
    save(tmp_path / f"w{suffix}", weights)
    loaded = load(tmp_path / f"w{suffix}")
    assert_identical(loaded.variables["params"], weights.ema)
    assert_identical(loaded.trained_variables["params"], weights.params)
    without = dataclasses.replace(loaded, ema=None)
    assert without.variables["params"] is loaded.params


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "its description of the network is no JSON object"),
        ("[1]", "its description of the network is no JSON object"),
        (" " * 2**21, "(its metadata has 2097152 characters|'madf_jax.npy' declares)"),
        ("[" * 100_000, "its description of the network is no JSON object"),
        ('{"network": {"depth": 3}}', "its network must be described by depth"),
        (
            json.dumps({"network": describe_network(MADF(depth=3, refinements=1))}),
            "'params/encoder/level_1/mask_conv/kernel' is",
        ),
    ],
)
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_bad_descriptions_are_refused(suffix, text, message, make_weights, tmp_path):
    needs_torch(suffix)
    path = tmp_path / f"w{suffix}"
    write_tensors(path, content_of(make_weights(3, 1), suffix), text)
    if suffix == ".pth":
        message = message.replace("params/encoder/level_1/mask_conv/kernel", "filter_gen_1.*weight")
    with pytest.raises(UserError, match=rf"w{suffix}: .*{message}"):
        load(path)


def test_networks_that_could_not_be_read_again_are_not_written(make_weights, tmp_path):
    weights = make_weights()
    endless = dataclasses.replace(weights, network=weights.network.clone(refinements=17))
    with pytest.raises(
        UserError, match=r"w\.npz: its network's refinements is 17; use from 0 to 16"
    ):
        save(tmp_path / "w.npz", endless)


def test_metadata_that_json_can_not_hold_is_refused(make_weights, tmp_path):
    for metadata, message in (
        ({"when": {1, 2}}, "its metadata is not what JSON can hold"),
        ({"long": "x" * 2**20}, "its metadata has .* characters, 1048576 are allowed"),
    ):
        weights = dataclasses.replace(make_weights(), metadata=metadata)
        with pytest.raises(UserError, match=rf"w\.npz: {message}"):
            save(tmp_path / "w.npz", weights)


def test_names_are_judged_before_memory_is_taken(tmp_path, monkeypatch):
    monkeypatch.setattr(np.lib.format, "read_array", lambda *_, **__: pytest.fail("was read"))
    zeros = npy((5_000_000,), bytes(20_000_000))
    member("params/level_1/kernel.npy", zeros, zipfile.ZIP_DEFLATED)(tmp_path / "w.npz")
    with pytest.raises(UserError, match=r"w\.npz: holds no generator of MADF"):
        load(tmp_path / "w.npz")


@pytest.mark.parametrize("suffix", PORTABLE)
def test_shapes_are_judged_before_memory_is_taken(suffix, make_weights, tmp_path, monkeypatch):
    content = own_format.to_our_names(make_weights())
    name = "params/encoder/level_1/skip/bias"
    write_tensors(tmp_path / f"w{suffix}", content | {name: np.zeros(1_000_000, np.float32)})
    monkeypatch.setattr(stored.StoredTensor, "__array__", lambda *_, **__: pytest.fail("was read"))
    with pytest.raises(UserError, match=rf"'{name}' is \(1000000,\), must be \(11,\)"):
        load(tmp_path / f"w{suffix}")


def broken_moments(content):
    content["adam/mu/encoder/level_1/skip/bias"] = np.full(11, np.nan, np.float32)


@pytest.mark.parametrize("suffix", PORTABLE)
@pytest.mark.parametrize(
    "damage",
    [
        broken_moments,
        lambda content: content.update({"adam/eps": np.asarray(np.inf)}),
        lambda content: content.pop("adam/count"),
        lambda content: content.update({"adam/momentum/a": np.ones(3)}),
    ],
)
def test_weights_load_whatever_the_optimizer_left(suffix, damage, make_weights, tmp_path):
    weights, path = make_weights(everything=True), tmp_path / f"w{suffix}"
    content = own_format.to_our_names(weights)
    damage(content)
    write_tensors(path, content)
    found = load(path)
    assert found.adam is None
    assert_identical(found.params, weights.params)
    remedy = "convert --no-optimizer, or --config.init.optimizer=False"
    with pytest.raises(UserError, match=remedy):
        load(path, optimizer=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_optimizer_is_read_only_if_asked_for(suffix, make_weights, tmp_path):
    needs_torch(suffix)
    save(tmp_path / f"w{suffix}", make_weights(everything=True))
    assert load(tmp_path / f"w{suffix}").adam is None
    assert load(tmp_path / f"w{suffix}", optimizer=True).adam.count == 77


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("missing.npz", "missing.npz: there is no such file or directory"),
        ("s3://bucket/w.npz", "only local paths"),
        ("", "is empty"),
        (f"{'x' * 300}.npz", "File name too long"),
        (f"{'x' * 300}", "File name too long"),
        ("w\0.npz", "not valid UTF-8"),
    ],
)
def test_what_can_not_be_a_path_is_refused(path, message, make_weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        load(path)
    if "missing" not in path:
        with pytest.raises(UserError, match=message):
            save(path, make_weights())
    assert not list(tmp_path.iterdir())


def test_a_home_directory_is_expanded(make_weights, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert save("~/w.npz", make_weights()) == tmp_path / "w.npz"
    assert load("~/w.npz").network == make_weights().network


@pytest.mark.parametrize("suffix", PORTABLE)
def test_a_file_that_is_there_is_replaced_only_by_force(suffix, make_weights, tmp_path):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"mine")
    with pytest.raises(UserError, match="is there already; --force replaces it"):
        save(path, make_weights())
    assert path.read_bytes() == b"mine"
    save(path, make_weights(), force=True)
    assert load(path).network == make_weights().network


def test_weights_of_another_network_are_not_written(make_weights, tmp_path):
    weights = dataclasses.replace(make_weights(3, 1), network=MADF(depth=3, refinements=1))
    with pytest.raises(UserError, match=r"w\.npz: .*of another shape"):
        save(tmp_path / "w.npz", weights)
    assert not list(tmp_path.iterdir())


def test_importing_the_package_imports_nothing_heavy():
    program = """
import sys, madf_jax.weights, madf_jax.weights.command
print(*sorted({"jax", "numpy", "PIL", "orbax", "flax", "torch"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_public_names_are_those_of_their_modules():
    from madf_jax import weights
    from madf_jax.weights import entry, model

    assert (weights.load, weights.save, weights.Weights) == (entry.load, entry.save, model.Weights)
    assert Weights is model.Weights
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        weights.lode  # noqa: B018

import dataclasses
import json
import shutil

import jax
import numpy as np
import pytest

from madf_jax.__main__ import main
from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer
from madf_jax.state.train_state import make_state
from madf_jax.weights.adam import Adam
from madf_jax.weights.checkpoint import read_weights, write_weights
from madf_jax.weights.convert import read_any
from madf_jax.weights.vgg import vgg_from_names

TX = make_optimizer(OptimizerOptions(clip_norm=1.0, schedule="cosine", warmup_steps=2), 10)


@pytest.fixture
def state(make_network):
    """Of a run at step 7 that skipped none; every other leaf is different."""
    network = make_network()
    shapes = jax.eval_shape(lambda: make_state(network, TX, jax.random.key(0), keep_ema=True))
    leaves, form = jax.tree.flatten(shapes)
    generator = np.random.default_rng(0)

    def fill(leaf):
        random = generator.random(leaf.shape, np.float32)
        return random if leaf.dtype == np.float32 else np.full(leaf.shape, 7, leaf.dtype)

    state = jax.tree.unflatten(form, map(fill, leaves))
    none = np.zeros((), np.int32)  # files of weights do not hold these
    state = state.replace(skipped=none, skipped_in_row=none)
    return jax.device_put(state, jax.devices()[0])


@pytest.fixture
def workdir(state, tmp_path):
    path = tmp_path / "run"
    save(path, state)
    return path


def save(path, *states):
    with Checkpoints(path, keep_last=3) as checkpoints:
        for state in states:
            checkpoints.save(state, {"data": {"seed": 1}})


def resume(workdir, like):
    """What a run whose config gives states like this one goes on from."""
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    abstract = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device), like
    )
    with Checkpoints(workdir, read_only=True) as checkpoints:
        return checkpoints.restore(abstract)


def convert(*arguments):
    return main(["convert", *map(str, arguments)])


def assert_same(one, other):
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert (a.dtype, np.asarray(a).tobytes()) == (b.dtype, np.asarray(b).tobytes())


def fails(capsys, message, *arguments):
    capsys.readouterr()
    assert convert(*arguments) == 1
    error = capsys.readouterr().err
    assert error.startswith("madf-jax: ")
    assert error.count("\n") == 1
    assert message in error


@pytest.mark.parametrize("target", ["again", "again/checkpoints/7"])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_run_goes_through_a_file_bit_by_bit(state, workdir, tmp_path, suffix, target):
    file = tmp_path / f"w{suffix}"
    assert convert(workdir, file) == 0
    assert convert(file, tmp_path / target) == 0
    restored = resume(tmp_path / "again", state)
    assert restored.step == 7
    assert_same(restored.state, state)
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["checkpoints"]


@pytest.mark.torch
@pytest.mark.parametrize("prefixes", [(), ("--prefixes",)])
def test_a_run_goes_through_the_references_checkpoint(state, workdir, tmp_path, capsys, prefixes):
    torch = pytest.importorskip("torch", reason=".pth files need the torch extra")
    file = tmp_path / "w.pth"
    assert convert(workdir, file, *prefixes) == 0
    assert "--ema writes those" in capsys.readouterr().out
    content = torch.load(file, weights_only=True)
    assert set(content) == {"n_iter", "model", "gen_optimizer"}
    assert all(name.startswith("module.model.") == bool(prefixes) for name in content["model"])
    assert convert(file, tmp_path / "again") == 0
    without_ema = dataclasses.replace(state, ema=None)
    assert_same(resume(tmp_path / "again", without_ema).state, without_ema)


def test_averaged_weights_become_the_model(state, workdir, tmp_path, capsys):
    assert convert(workdir, tmp_path / "w.npz", "--ema") == 0
    weights = read_weights(tmp_path / "w.npz")
    assert_same(weights.params, jax.device_get(state.ema))
    assert (weights.ema, weights.adam, weights.step) == (None, None, 7)
    fails(capsys, "no averaged weights", tmp_path / "w.npz", tmp_path / "v.npz", "--ema")


def test_without_moments_a_run_begins_with_fresh_ones(state, workdir, tmp_path):
    weights = dataclasses.replace(read_any(workdir), adam=None, ema=None, step=None)
    write_weights(tmp_path / "w.npz", weights)
    assert convert(tmp_path / "w.npz", tmp_path / "again/checkpoints/30") == 0
    found = resume(tmp_path / "again", dataclasses.replace(state, ema=None))
    fresh = TX.init(state.params)
    assert_same(found.state.params, state.params)
    assert_same(found.state.opt_state[1], fresh[1])
    # The schedule goes on from the step that the run is at.
    assert (found.step, int(found.state.opt_state[2].count)) == (30, 30)


def test_adams_settings_come_from_the_runs_config(workdir):
    assert read_any(workdir).adam.learning_rate == Adam({}, {}, 0).learning_rate
    optimizer = {"learning_rate": 3e-3, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6, "clip": 1}
    (workdir / "config.json").write_text(json.dumps({"optimizer": optimizer}))
    for path in (workdir, workdir / "checkpoints" / "7"):
        adam = read_any(path).adam
        assert (adam.learning_rate, adam.b1, adam.b2, adam.eps) == (3e-3, 0.8, 0.95, 1e-6)


def test_the_newest_checkpoint_is_read_or_the_one_named(state, tmp_path):
    later = dataclasses.replace(state, step=state.step + 2)
    save(tmp_path, state, later)
    assert read_any(tmp_path).step == 9
    assert read_any(tmp_path / "checkpoints" / "7").step == 7


def test_the_trunk_goes_along_except_into_a_run(workdir, tmp_path, capsys):
    widths = ((64, 64), (128, 128), (256, 256, 256))
    trunk, channels = {}, 3
    for stage, row in enumerate(widths, start=1):
        for index, width in enumerate(row, start=1):
            name = f"vgg/conv{stage}_{index}"
            trunk[f"{name}/kernel"] = np.ones((3, 3, channels, width), np.float32)
            trunk[f"{name}/bias"] = np.ones(width, np.float32)
            channels = width
    weights = dataclasses.replace(read_any(workdir), vgg=vgg_from_names(trunk))
    write_weights(tmp_path / "w.safetensors", weights)
    assert convert(tmp_path / "w.safetensors", tmp_path / "w.npz") == 0
    assert_same(read_weights(tmp_path / "w.npz").vgg, weights.vgg)
    assert convert(tmp_path / "w.npz", tmp_path / "again") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2].startswith("left out: the VGG-16 trunk")
    assert "VGG no" in printed[-1]


def test_it_is_told_what_was_read_and_written(workdir, tmp_path, capsys):
    assert convert(workdir, tmp_path / "w.npz") == 0
    read, wrote = capsys.readouterr().out.splitlines()
    assert read.startswith(f"read {workdir}: ")
    assert wrote.startswith(f"wrote {tmp_path / 'w.npz'}: ")
    assert "step 7, Adam yes, average yes, VGG no" in wrote


@pytest.mark.parametrize("name", ["w.npz", "again"])
def test_what_is_there_is_replaced_only_by_force(workdir, tmp_path, capsys, name):
    assert convert(workdir, tmp_path / name) == 0
    fails(capsys, "--force", workdir, tmp_path / name)
    assert convert(workdir, tmp_path / name, "--force") == 0
    assert read_any(tmp_path / name).step == 7


def test_a_run_that_is_further_is_not_written_into(state, workdir, tmp_path, capsys):
    save(tmp_path / "further", dataclasses.replace(state, step=state.step + 1))
    fails(capsys, "holds step 8", workdir, tmp_path / "further", "--force")


def test_a_directory_of_something_else_becomes_a_run_only_by_force(workdir, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").touch()
    fails(capsys, "no checkpoints of a run; --force", workdir, other)
    assert [path.name for path in other.iterdir()] == ["notes.txt"]
    assert convert(workdir, other, "--force") == 0


def test_bad_arguments_are_told_in_one_line(workdir, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.npz").mkdir()
    for message, *arguments in (
        ("no such file", tmp_path / "missing.npz", tmp_path / "w.npz"),
        ("checkpoints/STEP", tmp_path / "empty", tmp_path / "w.npz"),
        ("folder.npz: is a directory", workdir, tmp_path / "folder.npz", "--force"),
        ("end in .pth", workdir, tmp_path / "w.onnx"),
        ("--prefixes is for", workdir, tmp_path / "w.npz", "--prefixes"),
        ("of step 7", workdir, tmp_path / "again" / "checkpoints" / "8"),
    ):
        fails(capsys, message, *arguments)
    assert not (tmp_path / "w.npz").exists()


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_damaged_checkpoint_is_told_in_one_line(workdir, tmp_path, capsys, damage):
    state = workdir / "checkpoints" / "7" / "state"
    if damage == "lost":
        shutil.rmtree(state)
    else:
        facts = next((workdir / "checkpoints" / "7" / "facts").glob("metadata"))
        content = json.loads(facts.read_text())
        content["digest"][3] += 1
        facts.write_text(json.dumps(content))
    fails(capsys, "damaged", workdir, tmp_path / "w.npz")


def test_other_orbax_trees_are_told_in_one_line(state, tmp_path, capsys):
    save(tmp_path / "other", dataclasses.replace(state, opt_state=()))
    fails(capsys, "no state of a training run", tmp_path / "other", tmp_path / "w.npz")

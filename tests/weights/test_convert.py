"""The command `convert`."""

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest

from madf_jax.__main__ import main
from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.weights import load, save
from madf_jax.weights.convert import convert as convert_weights
from madf_jax.weights.scratch import PREFIX, scratch_folder
from madf_jax.weights.vgg import vgg_from_names
from tests.trees import assert_identical
from tests.weights.runs import TX, at_step, save_run


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
    assert_identical(restored.state, state)
    assert [path.name for path in (tmp_path / "again").iterdir()] == ["checkpoints"]


@pytest.mark.torch
@pytest.mark.parametrize("prefixes", [(), ("--prefixes",)])
def test_a_run_goes_through_the_references_checkpoint(state, workdir, tmp_path, capsys, prefixes):
    torch = pytest.importorskip("torch", reason=".pth files need the torch extra")
    file = tmp_path / "w.pth"
    assert convert(workdir, file, *prefixes) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "both are kept" in line)
    assert "'model' as trained" in line and "--ema writes the average there" in line
    content = torch.load(file, weights_only=True)
    assert set(content) == {"n_iter", "model", "gen_optimizer", "ema", "madf_jax"}
    names = [*content["model"], *content["ema"]]
    assert all(name.startswith("module.model.") == bool(prefixes) for name in names)
    assert convert(file, tmp_path / "again") == 0
    assert_identical(resume(tmp_path / "again", state).state, state)


def test_averaged_weights_become_the_model(state, workdir, tmp_path, capsys):
    assert convert(workdir, tmp_path / "w.npz", "--ema") == 0
    weights = load(tmp_path / "w.npz", optimizer=True)
    assert_identical(weights.params, jax.device_get(state.ema))
    assert (weights.ema, weights.adam, weights.step) == (None, None, 7)
    fails(capsys, "no averaged weights", tmp_path / "w.npz", tmp_path / "v.npz", "--ema")


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_parameters_are_halved(state, workdir, tmp_path, capsys, suffix):
    small, whole = tmp_path / f"small{suffix}", tmp_path / f"whole{suffix}"
    assert convert(workdir, small, "--ema", "--half") == 0
    assert "parameters become float16" in capsys.readouterr().out
    assert convert(workdir, whole, "--ema") == 0
    assert small.stat().st_size < 0.75 * whole.stat().st_size
    found, expected = load(small, optimizer=True), load(whole)
    assert found.adam is None
    halved = jax.tree.map(lambda x: np.float32(np.float16(x)), expected.params)
    assert_identical(found.params, halved)
    assert_identical(found.batch_stats, expected.batch_stats)


def test_what_float16_can_not_hold_is_refused(workdir, tmp_path, capsys):
    weights = load(workdir)
    large = jax.tree.map(lambda x: np.full_like(x, 7e4), weights.params)
    save(tmp_path / "large.npz", dataclasses.replace(weights, params=large, ema=None))
    fails(capsys, "beyond those of float16", tmp_path / "large.npz", tmp_path / "w.npz", "--half")
    assert not (tmp_path / "w.npz").exists()
    fails(capsys, "hold float16 here", workdir, tmp_path / "w.pth", "--half")
    fails(capsys, "hold float16 here", workdir, tmp_path / "again", "--half")


def test_without_moments_a_run_begins_with_fresh_ones(state, workdir, tmp_path):
    weights = dataclasses.replace(load(workdir), ema=None, step=None)
    save(tmp_path / "w.npz", weights)
    assert convert(tmp_path / "w.npz", tmp_path / "again/checkpoints/30") == 0
    found = resume(tmp_path / "again", dataclasses.replace(state, ema=None))
    fresh = TX.init(state.params)
    assert_identical(found.state.params, state.params)
    assert_identical(found.state.opt_state[1], fresh[1])
    # The schedule goes on from the step that the run is at.
    assert (found.step, int(found.state.opt_state[2].count)) == (30, 30)


def test_the_trunk_goes_along_except_into_a_run(workdir, tmp_path, capsys):
    widths = ((64, 64), (128, 128), (256, 256, 256))
    trunk, channels = {}, 3
    for stage, row in enumerate(widths, start=1):
        for index, width in enumerate(row, start=1):
            name = f"vgg/conv{stage}_{index}"
            trunk[f"{name}/kernel"] = np.ones((3, 3, channels, width), np.float32)
            trunk[f"{name}/bias"] = np.ones(width, np.float32)
            channels = width
    weights = dataclasses.replace(load(workdir), vgg=vgg_from_names(trunk))
    save(tmp_path / "w.safetensors", weights)
    assert convert(tmp_path / "w.safetensors", tmp_path / "w.npz") == 0
    assert_identical(load(tmp_path / "w.npz").vgg, weights.vgg)
    assert convert(tmp_path / "w.npz", tmp_path / "again") == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[-2].startswith("left out: the VGG-16 trunk")
    assert "VGG no" in printed[-1]


def test_what_was_read_and_written_is_printed(workdir, tmp_path, capsys):
    assert convert(workdir, tmp_path / "w.npz") == 0
    read, both, wrote = capsys.readouterr().out.splitlines()
    assert both.startswith("both are kept: 'params' as trained")
    assert read.startswith(f"read {workdir}: ")
    assert wrote.startswith(f"wrote {tmp_path / 'w.npz'}: ")
    assert "step 7, Adam yes, average yes, VGG no" in wrote


@pytest.mark.parametrize("name", ["w.npz", "again"])
def test_what_is_there_is_replaced_only_by_force(workdir, tmp_path, capsys, name):
    assert convert(workdir, tmp_path / name) == 0
    fails(capsys, "--force", workdir, tmp_path / name)
    assert convert(workdir, tmp_path / name, "--force") == 0
    assert load(tmp_path / name).step == 7


def test_a_run_that_is_further_is_not_written_into(state, workdir, tmp_path, capsys):
    save_run(tmp_path / "further", at_step(state, 8))
    fails(capsys, "holds step 8", workdir, tmp_path / "further", "--force")


def test_a_directory_of_something_else_becomes_a_run_only_by_force(workdir, tmp_path, capsys):
    other = tmp_path / "other"
    other.mkdir()
    (other / "notes.txt").touch()
    fails(capsys, "no checkpoints of a run; --force", workdir, other)
    assert [path.name for path in other.iterdir()] == ["notes.txt"]
    assert convert(workdir, other, "--force") == 0


def test_bad_arguments_are_refused_in_one_line(workdir, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.npz").mkdir()
    for message, *arguments in (
        ("no such file", tmp_path / "missing.npz", tmp_path / "w.npz"),
        ("checkpoints/STEP", tmp_path / "empty", tmp_path / "w.npz"),
        ("folder.npz: is a directory", workdir, tmp_path / "folder.npz", "--force"),
        ("end in .safetensors", workdir, tmp_path / "w.onnx"),
        ("only .pth and .pt files have", workdir, tmp_path / "w.npz", "--prefixes"),
        ("only local paths", "s3://bucket/run", tmp_path / "w.npz"),
        ("only local paths", workdir, "s3://bucket/w.npz"),
        ("only local paths", workdir, "file:///w.npz"),
        ("File name too long", workdir, tmp_path / f"{'x' * 300}.npz"),
        ("File name too long", tmp_path / ("x" * 300), tmp_path / "w.npz"),
        ("is empty", "", tmp_path / "w.npz"),
        ("of step 7", workdir, tmp_path / "again" / "checkpoints" / "8"),
    ):
        fails(capsys, message, *arguments)
    assert not (tmp_path / "w.npz").exists()


@pytest.mark.parametrize("damage", ["lost", "changed"])
def test_a_damaged_checkpoint_is_refused_in_one_line(workdir, tmp_path, capsys, damage):
    state = workdir / "checkpoints" / "7" / "state"
    if damage == "lost":
        shutil.rmtree(state)
    else:
        facts = next((workdir / "checkpoints" / "7" / "facts").glob("metadata"))
        content = json.loads(facts.read_text())
        content["digest"][3] += 1
        facts.write_text(json.dumps(content))
    fails(capsys, "damaged", workdir, tmp_path / "w.npz")


def test_other_orbax_trees_are_refused_in_one_line(state, tmp_path, capsys):
    save_run(tmp_path / "other", dataclasses.replace(state, opt_state=()))
    fails(capsys, "no state of a training run", tmp_path / "other", tmp_path / "w.npz")


def test_the_home_directory_is_expanded(workdir, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(workdir)
    assert convert("~/run", "~/w.npz") == 0
    assert load(tmp_path / "w.npz").step == 7
    assert not (workdir / "~").exists()


def test_without_the_optimizer_its_moments_are_left_out(workdir, tmp_path, capsys):
    assert convert(workdir, tmp_path / "w.npz", "--no-optimizer") == 0
    assert "Adam no" in capsys.readouterr().out.splitlines()[-1]
    assert load(tmp_path / "w.npz", optimizer=True).adam is None


def other_optimizers(torch, model):
    """States that are not plain Adam's, each after a step."""
    parameters = list(model.values())

    def stepped(optimizer):
        for parameter in parameters:
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        return optimizer.state_dict()

    adam = torch.optim.Adam
    states = {
        "sgd": stepped(torch.optim.SGD(parameters, lr=0.1, momentum=0.9)),
        "weight_decay": stepped(adam(parameters, weight_decay=1e-4)),
        "adamw": stepped(torch.optim.AdamW(parameters)),
        "amsgrad": stepped(adam(parameters, amsgrad=True)),
        "two_groups": stepped(adam([{"params": parameters[:9]}, {"params": parameters[9:]}])),
        "frozen_layers": stepped(adam(parameters[9:])),
        "nan_moments": stepped(adam(parameters)),
        "none": None,
        "nested": {"deep": [[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]},
    }
    states["nan_moments"]["state"][0]["exp_avg"].fill_(float("nan"))
    return states


@pytest.mark.torch
def test_no_optimizer_keeps_its_weights_from_being_converted(make_state_dict, tmp_path, capsys):
    torch = pytest.importorskip("torch", reason=".pth files need the torch extra")
    model = {name: torch.tensor(array) for name, array in make_state_dict(3, 1).items()}
    parameters = {
        k: torch.nn.Parameter(v.clone()) for k, v in model.items() if v.is_floating_point()
    }
    for kind, state in other_optimizers(torch, parameters).items():
        source, target = tmp_path / f"{kind}.pth", tmp_path / f"{kind}.npz"
        torch.save({"n_iter": 5, "model": model, "gen_optimizer": state}, source)
        if state is not None:
            fails(capsys, "" if kind == "nested" else "--no-optimizer", source, target)
            assert not target.exists()
        assert convert(source, target, "--no-optimizer") == 0, kind
        assert load(target).step == 5


KILLED = """
import pathlib, sys, time
from madf_jax.weights.scratch import scratch_folder
with scratch_folder(pathlib.Path(sys.argv[1])) as folder:
    (folder / "half").write_bytes(b"half")
    print("writing", flush=True)
    time.sleep(3600)
"""


@pytest.mark.parametrize("name", ["again", "again.npz"])
def test_what_a_killed_conversion_left_is_removed_by_the_next(workdir, tmp_path, name):
    target = tmp_path / "place" / name
    folder = target if name == "again" else target.parent
    folder.mkdir(parents=True)
    command = [sys.executable, "-c", KILLED, str(folder)]
    writing = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert writing.stdout.readline() == "writing\n"
    (left,) = folder.iterdir()
    with scratch_folder(folder):
        assert left.exists()  # of one that is still writing
    os.kill(writing.pid, signal.SIGKILL)
    writing.wait()
    writing.stdout.close()
    assert convert(workdir, target) == 0
    assert not list(folder.glob(f"{PREFIX}*"))
    assert load(target).step == 7


def test_what_others_leave_is_not_removed(workdir, tmp_path):
    mine = tmp_path / "place" / ".writing-mine"
    mine.mkdir(parents=True)
    assert convert(workdir, tmp_path / "place" / "w.npz") == 0
    assert mine.exists()


def test_conversion_is_load_and_save(workdir, tmp_path):
    convert_weights(workdir, tmp_path / "one.npz")
    save(tmp_path / "other.npz", load(workdir, optimizer=True))
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "other.npz").read_bytes()

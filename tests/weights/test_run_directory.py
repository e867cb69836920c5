"""Weights in the checkpoints of a run."""

import json
import os
import shutil

import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.weights import load, run_directory, save
from madf_jax.weights.adam import Adam
from madf_jax.weights.description import describe_network
from tests.narrow import narrow_config
from tests.trees import assert_identical
from tests.weights.runs import at_step, save_run


def write_config(workdir, network, **changes):
    """The run's `config.json`, as training writes it."""
    arguments = {f"network.{name}": value for name, value in describe_network(network).items()}
    config = json.loads(narrow_config(**arguments, **changes).to_json_best_effort())
    (workdir / "config.json").write_text(json.dumps(config))
    return config


def test_inference_applies_what_evaluation_scores(state, workdir):
    loaded = load(workdir)
    assert_identical(loaded.variables, dict(state.inference_variables))
    assert_identical(loaded.trained_variables["params"], state.params)


def test_without_a_config_the_network_is_inferred(make_network, workdir):
    found = load(workdir)
    assert describe_network(found.network) == describe_network(make_network())
    assert found.metadata == {}


def test_network_and_metadata_are_those_of_the_config(make_network, workdir):
    # No shape implies `kernel_sizes` in this form.
    network = make_network(kernel_sizes=(7, 5, 3, 3))
    config = write_config(
        workdir, network, **{"data.train_path": "/secret/images", "data.size": 48}
    )
    for path in (workdir, workdir / "checkpoints" / "7"):
        found = load(path)
        assert found.network == network
        kept = found.metadata["config"]
        assert kept["data"]["size"] == 48
        assert kept["masks"]["stroke_width"] == config["masks"]["stroke_width"]
        assert kept["objective"] == config["objective"]
        assert "secret" not in json.dumps(found.metadata)


def test_adam_s_settings_are_those_of_the_config(make_network, workdir):
    assert load(workdir, optimizer=True).adam.learning_rate == Adam({}, {}, 0).learning_rate
    settings = {"learning_rate": 3e-3, "beta1": 0.8, "beta2": 0.95, "epsilon": 1e-6}
    write_config(workdir, make_network(), **{f"optimizer.{k}": v for k, v in settings.items()})
    for path in (workdir, workdir / "checkpoints" / "7"):
        adam = load(path, optimizer=True).adam
        assert (adam.learning_rate, adam.b1, adam.b2, adam.eps) == (3e-3, 0.8, 0.95, 1e-6)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: path.write_text("[" * 100_000), "is not JSON that can be read: "),
        (lambda path: path.write_text("[1]"), "is no JSON object; fix it or move it away"),
        (lambda path: path.write_bytes(b"\xff\xfe"), "is not JSON that can be read: "),
        (
            lambda path: path.write_text(" " * 2**21),
            "is not JSON that can be read: it has 2097152 bytes",
        ),
        (lambda path: path.write_text("{}"), "has no section 'network'; fix it or move it away"),
        (lambda path: path.write_text('{"network": {"depth": 3}}'), ".*described by depth"),
        (os.mkfifo, "is not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
        (lambda path: path.mkdir(), "is a directory, not a file"),
    ],
)
def test_a_bad_config_is_refused_in_one_line(write, message, workdir):
    write(workdir / "config.json")
    with pytest.raises(UserError, match=rf"^{workdir}/config\.json: {message}") as caught:
        load(workdir)
    assert len(str(caught.value)) < 500


def test_a_config_of_another_network_is_refused(make_network, workdir):
    write_config(workdir, make_network(mask_width=5))
    with pytest.raises(UserError, match=r"config\.json: describes another network .*mask_conv"):
        load(workdir)


def test_the_newest_checkpoint_is_read_or_the_one_named(state, tmp_path):
    save_run(tmp_path, state, at_step(state, 9))
    assert load(tmp_path).step == 9
    assert load(tmp_path / "checkpoints" / "7").step == 7
    with pytest.raises(UserError, match="checkpoints/8: there is no such file or directory"):
        load(tmp_path / "checkpoints" / "8")


def removed_while_read(monkeypatch, removals, after):
    """Lets the run remove the checkpoint that is being read, so many times."""
    real, left = run_directory.read_checkpoint, [removals]

    def read(path):
        if left[0]:
            left[0] -= 1
            after(path)
            raise UserError(f"{path}: is no checkpoint of a run, or damaged: 'NoneType'")
        return real(path)

    monkeypatch.setattr(run_directory, "read_checkpoint", read)


@pytest.mark.parametrize("all_of_it", [True, False], ids=["gone", "going"])
def test_a_run_that_goes_on_is_read_at_its_next_checkpoint(
    all_of_it, state, workdir, tmp_path, monkeypatch
):
    save_run(tmp_path / "later", at_step(state, 8))

    def rotate(path):
        shutil.move(tmp_path / "later" / "checkpoints" / "8", path.with_name("8"))
        shutil.rmtree(path if all_of_it else path / "state")

    removed_while_read(monkeypatch, 1, rotate)
    assert load(workdir).step == 8


def test_a_checkpoint_that_the_run_removed_is_not_called_damaged(workdir, monkeypatch):
    (workdir / "checkpoints" / "8").mkdir()
    removed_while_read(monkeypatch, 1, shutil.rmtree)
    with pytest.raises(UserError, match="checkpoints/7: is gone: the run has removed it"):
        load(workdir / "checkpoints" / "7")


def test_reading_ends_though_every_checkpoint_is_removed(workdir, monkeypatch):
    def rotate(path):
        path.rename(path.with_name(str(int(path.name) + 1)))

    removed_while_read(monkeypatch, 100, rotate)
    with pytest.raises(UserError, match="is gone: the run has removed it"):
        load(workdir)


def test_a_working_directory_may_be_called_like_a_checkpoint(workdir, tmp_path):
    """`.../checkpoints/1` can be either."""
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    workdir.rename(folder / "1")
    weights = load(folder / "1", optimizer=True)
    assert weights.step == 7
    (folder / "2").mkdir()
    written = save(folder / "2", weights)
    assert written == folder / "2" / "checkpoints" / "7"
    assert load(folder / "2").step == 7


def test_a_checkpoint_may_be_named_from_within(workdir, tmp_path, monkeypatch):
    monkeypatch.chdir(workdir / "checkpoints")
    weights = load("7", optimizer=True)
    (tmp_path / "again" / "checkpoints").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "again" / "checkpoints")
    assert save("7", weights) == tmp_path / "again" / "checkpoints" / "7"


def test_weights_without_an_optimizer_need_none(state, tmp_path):
    save_run(tmp_path / "other", state.replace(opt_state=()))
    assert_identical(load(tmp_path / "other").params, state.params)
    with pytest.raises(UserError, match="no state of a training run"):
        load(tmp_path / "other", optimizer=True)


def test_a_directory_of_something_else_is_refused(tmp_path):
    with pytest.raises(UserError, match="holds no checkpoints/STEP of a run"):
        load(tmp_path)
    np.savez(tmp_path / "w.npz", a=np.ones(3))
    with pytest.raises(UserError, match="holds no checkpoints/STEP of a run"):
        load(tmp_path)

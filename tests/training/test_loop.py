"""The training loop on a shrunk quickstart: 30 steps take a second or two once compiled."""

import functools
import json
import shutil

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.checkpoints.ownership import LOCK, exclusive
from madf_jax.config.sections import from_config
from madf_jax.errors import UserError
from madf_jax.training import inputs, loop
from madf_jax.training.feed import NoBatch
from madf_jax.training.inputs import read_inputs
from madf_jax.training.parallel import data_mesh
from madf_jax.training.program import make_program
from madf_jax.training.signals import StopSignals
from madf_jax.weights import Weights, save
from madf_jax.weights.own_format import to_our_names
from madf_jax.weights.tensor_files import write_tensors
from tests.faults.mistakes import contents
from tests.logs import capture_log
from tests.narrow import narrow_config
from tests.trees import assert_identical

STEPS, EVERY, STOP = 30, 15, 20


@pytest.fixture(scope="module", autouse=True)
def compilation_kept(tmp_path_factory):
    """Each call of `train` compiles again, as a new process would; the cache makes that quick."""
    settings = {
        "jax_compilation_cache_dir": str(tmp_path_factory.mktemp("compiled")),
        "jax_persistent_cache_min_compile_time_secs": 0.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()


@pytest.fixture(scope="module", autouse=True)
def steps_compiled_once():
    """Tracing the step takes longer than 30 steps; the same config needs it once."""
    compile_step, kept = loop.compile_step, {}

    def compile_once(program):
        setup = program.setup
        key = (setup.network, setup.objective, setup.optimizer, setup.training, program.mesh)
        if key not in kept:
            kept[key] = compile_step(program)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "compile_step", compile_once)
        yield


def shrunk(**changes):
    values = {
        "optimizer.learning_rate": 1e-2,
        "optimizer.warmup_steps": 2,
        "training.steps": STEPS,
        "training.images_every": STEPS,
        "training.validate_every": STEPS,
        "training.checkpoint_every": EVERY,
    }
    return narrow_config(**{**values, **changes})


def last_state(config, workdir):
    program = make_program(from_config(config), data_mesh(jax.devices()[:1]))
    with Checkpoints(workdir, read_only=True) as checkpoints:
        return checkpoints.restore(program.abstract_state())


def saved_steps(workdir):
    return sorted(int(path.name) for path in (workdir / "checkpoints").iterdir())


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """The working directory of an uninterrupted run; its log lies beside it."""
    workdir = tmp_path_factory.mktemp("runs") / "whole"
    with capture_log() as lines:
        loop.train(from_config(shrunk()), workdir)
    workdir.with_name("log").write_text("\n".join(lines))
    return workdir


@pytest.fixture(scope="module")
def events(whole_run):
    accumulator = EventAccumulator(str(whole_run))
    accumulator.Reload()
    return accumulator


def scalars(events, tag):
    return {event.step: event.value for event in events.Scalars(tag)}


def test_the_loss_falls(events):
    losses = scalars(events, "loss")
    assert list(losses) == list(range(5, STEPS + 1, 5))
    assert losses[STEPS] < 0.8 * losses[5]


def test_tensorboard_gets_scalars_and_images(events):
    tags = set(events.Tags()["scalars"])
    assert {"loss", "valid", "hole", "tv", "grad_norm"} <= tags
    assert {"learning_rate", "images_per_second", "data_wait_share", "validation_psnr"} <= tags
    assert {"update_norm", "ema_distance", "peak_memory_gb", "checkpoint_seconds"} <= tags
    assert scalars(events, "skipped") == dict.fromkeys(range(5, STEPS + 1, 5), 0)
    assert not {"perceptual", "style"} & tags
    rates = scalars(events, "learning_rate")
    assert 0 < rates[STEPS] < rates[5] <= 1e-2
    assert scalars(events, "validation_psnr").keys() == {STEPS}
    (image,) = events.Images("images")
    # Width and height of two rows of masked image, output, composite, original.
    assert (image.step, image.width, image.height) == (STEPS, 4 * 16, 2 * 16)


def test_the_config_stands_beside_the_checkpoints(whole_run):
    assert json.loads((whole_run / "config.json").read_text())["training"]["steps"] == STEPS
    assert saved_steps(whole_run) == [EVERY, STEPS]


def test_weights_load_whatever_their_optimizer_left(make_variables, tmp_path):
    network = from_config(shrunk()).network
    path = tmp_path / "w.npz"
    content = to_our_names(Weights(network, **make_variables(network)))
    write_tensors(path, {**content, "adam/count": np.asarray(-1)})
    program = make_program(from_config(shrunk(**{"init.weights": str(path)})), data_mesh())
    with pytest.raises(UserError, match=r"w\.npz: .* or --config\.init\.optimizer=False"):
        read_inputs(program, tmp_path / "run")
    setup = from_config(shrunk(**{"init.weights": str(path), "init.optimizer": False}))
    assert read_inputs(make_program(setup, data_mesh()), tmp_path / "run").weights.adam is None


def test_a_run_starts_from_converted_weights(whole_run, tmp_path):
    state = last_state(shrunk(), whole_run).state
    network = from_config(shrunk()).network
    save(tmp_path / "w.npz", Weights(network, state.params, state.batch_stats))
    config = shrunk(**{"init.weights": str(tmp_path / "w.npz")})
    stop = StopSignals()
    stop.asked = True  # after the first step, whose learning rate is 0
    assert not loop.train(from_config(config), tmp_path / "run", stop)
    after = last_state(config, tmp_path / "run").state
    assert after.step == 1
    for given, kept in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(after.params), strict=True
    ):
        np.testing.assert_allclose(kept, given, rtol=1e-6, atol=1e-9)


class Killed(Exception):
    """Stands for the end of the process."""


def interrupt(monkeypatch, action):
    """Does `action` when the first run reads batch `STOP`.

    Returns:
        Where each run began to read.
    """
    starts, real = [], loop.iterate

    @functools.wraps(real)
    def iterate(dataset, loader, **options):
        batches = real(dataset, loader, **options)
        if "start" not in options:
            return batches
        starts.append(options["start"])
        if len(starts) > 1:
            return batches
        return (act(batch) if i == STOP else batch for i, batch in enumerate(batches, start=1))

    def act(batch):
        action()
        return batch

    monkeypatch.setattr(loop, "iterate", iterate)
    return starts


def kill():
    raise Killed


def lose_a_file():
    raise PermissionError(13, "Permission denied", "images/7.png")


def assert_resumes_to_the_same_end(whole_run, workdir, starts, left_at):
    """Parameters, statistics, optimizer, average and the batches seen, bit by bit."""
    config = shrunk()
    assert last_state(config, workdir).step == left_at
    assert loop.train(from_config(config), workdir)
    assert starts == [0, left_at]
    resumed, uninterrupted = last_state(config, workdir), last_state(config, whole_run)
    assert resumed.step == STEPS
    assert resumed.state.ema is not None
    assert_identical(resumed.state, uninterrupted.state)
    assert resumed.notes == uninterrupted.notes


@pytest.mark.parametrize(
    ("action", "error", "left_at"),
    # Of a batch that can't be read, the run knows in time to save.
    [
        pytest.param(kill, Killed, EVERY, marks=pytest.mark.slow),
        (lose_a_file, NoBatch, STOP - 1),
    ],
)
def test_failed_and_resumed_equals_uninterrupted(
    whole_run, tmp_path, monkeypatch, action, error, left_at
):
    starts = interrupt(monkeypatch, action)
    with pytest.raises(error):
        loop.train(from_config(shrunk()), tmp_path)
    assert_resumes_to_the_same_end(whole_run, tmp_path, starts, left_at)


def test_stopped_and_resumed_equals_uninterrupted(whole_run, tmp_path, monkeypatch):
    stop = StopSignals()
    starts = interrupt(monkeypatch, lambda: setattr(stop, "asked", True))
    assert not loop.train(from_config(shrunk()), tmp_path, stop)
    assert_resumes_to_the_same_end(whole_run, tmp_path, starts, STOP)


def test_a_run_past_its_end_is_left_alone_and_what_differs_is_logged(
    whole_run, tmp_path, monkeypatch, log_lines
):
    monkeypatch.setattr(loop, "compile_step", never)
    workdir = shutil.copytree(whole_run, tmp_path / "copy")
    before = contents(workdir / "checkpoints")
    changes = {"training.seed": 5, "training.steps": EVERY, "training.changed_config": "accept"}
    assert loop.train(from_config(shrunk(**changes)), workdir)
    assert contents(workdir / "checkpoints") == before
    text = "\n".join(log_lines)
    assert "step 30 the data changed in seed" in text
    assert f"training.steps is {EVERY} and {workdir} is at step {STEPS} already" in text
    assert "Done" not in text
    assert (workdir / "config.json").read_bytes() == (whole_run / "config.json").read_bytes()


def test_a_second_training_in_the_same_directory_is_refused(whole_run):
    before = contents(whole_run)
    with exclusive(whole_run) as holder:
        before[LOCK] = holder.encode()
        with pytest.raises(UserError, match="in use by another training: process "):
            loop.train(from_config(shrunk()), whole_run)
        assert contents(whole_run) == before


def test_the_log_says_what_is_done(whole_run):
    expected = (
        "Reading the lists",
        "Compiling the training step",
        "The network has ",
        "heartbeat: step 5 of 30",
        "Validation at step 30: PSNR ",
        "Saved checkpoint 30",
        "Done: 30 steps in ",
    )
    lines = whole_run.with_name("log").read_text().splitlines()
    order = [next(i for i, line in enumerate(lines) if line.startswith(e)) for e in expected]
    assert order == sorted(order)
    assert any(line.startswith("Saved checkpoint 15") for line in lines)
    assert "encoder" in (whole_run / "parameters.txt").read_text()


def test_a_workdir_of_another_config_is_refused_with_the_difference(whole_run):
    before = (whole_run / "config.json").read_bytes()
    changes = {"network.mask_width": 4, "optimizer.learning_rate": 0.5, "training.log_every": 7}
    with pytest.raises(
        UserError,
        match=r"belongs to another config: network\.mask_width is 3 there, 4 now; "
        r"optimizer\.learning_rate is 0\.01 there, 0\.5 now\. Use that config",
    ):
        loop.train(from_config(shrunk(**changes)), whole_run)
    assert saved_steps(whole_run) == [EVERY, STEPS]
    assert (whole_run / "config.json").read_bytes() == before


def test_another_network_is_refused_before_it_compiles_also_if_changes_are_accepted(
    whole_run, monkeypatch
):
    monkeypatch.setattr(loop, "compile_step", never)
    changes = {"network.mask_width": 4, "training.changed_config": "accept"}
    with pytest.raises(UserError, match=r"mask_width is 3 there, 4 now.*have other shapes"):
        loop.train(from_config(shrunk(**changes)), whole_run)
    assert saved_steps(whole_run) == [EVERY, STEPS]


@pytest.mark.slow
def test_too_many_steps_that_are_not_finite_stop_the_run(tmp_path, monkeypatch):
    begin = loop._begin

    def begin_broken(*arguments):
        state = begin(*arguments)
        return state.replace(params=jax.tree.map(lambda x: x * np.float32(np.nan), state.params))

    monkeypatch.setattr(loop, "_begin", begin_broken)
    with pytest.raises(
        UserError, match=r"of 5 steps in a row up to step 5 were not finite.*=5\); those"
    ):
        loop.train(from_config(shrunk(**{"training.max_skipped_in_row": 5})), tmp_path)
    assert saved_steps(tmp_path) == []


def never(*_, **__):
    raise AssertionError("too late")


def test_missing_vgg_weights_are_refused_before_anything_compiles(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "compile_step", never)
    monkeypatch.setattr(inputs, "training_data", never)
    missing = str(tmp_path / "missing.safetensors")
    with pytest.raises(UserError, match=r"missing\.safetensors"):
        loop.train(
            from_config(shrunk(**{"objective.style": 1.0, "init.vgg_weights": missing})),
            tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()


def test_a_batch_that_the_devices_do_not_share_evenly_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "compile_step", never)
    with pytest.raises(UserError, match=r"training\.batch_size is 6; use a multiple of the 4"):
        loop.train(from_config(shrunk(**{"training.batch_size": 6})), tmp_path / "run")
    assert not (tmp_path / "run").exists()

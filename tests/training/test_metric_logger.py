"""What is told while a run goes on, without a run."""

import glob
import time
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from configs import quickstart
from madf_jax.config.sections import from_config
from madf_jax.errors import UserError
from madf_jax.training import metric_logger as module
from madf_jax.training.metric_logger import Profile, Watch


@pytest.fixture
def lines(monkeypatch):
    told = []
    monkeypatch.setattr(module.logging, "info", lambda text, *values: told.append(text % values))
    return told


@pytest.fixture
def make_watch(tmp_path, monkeypatch):
    """A watch over a run of 1000 steps that tells every 4, whose norms cost nothing."""
    config = quickstart.get_config()
    config.training.steps, config.training.log_every = 1000, 4
    config.training.max_skipped_in_row = 3
    norms = {"update_norm": 2.0, "skipped": 1}
    monkeypatch.setattr(module, "_make_norms", lambda _: lambda _: norms)

    def make():
        return Watch(from_config(config), tmp_path, SimpleNamespace(waited=0.0))

    return make


def metrics(loss, skipped_in_row=0):
    return {"loss": jnp.float32(loss), "skipped_in_row": jnp.float32(skipped_in_row)}


def test_means_are_told_a_step_late_in_one_line(make_watch, lines):
    watch = make_watch()
    for step in range(1, 5):
        watch.after(step, None, metrics(step))
    assert lines == []
    watch.after(5, None, metrics(100))
    (line,) = lines
    assert line.startswith("heartbeat: step 4 of 1000, loss 2.5, ")
    assert "images/s" in line and "waiting for data" in line and "1 skipped" in line
    watch.close()


def test_the_line_comes_also_between_long_steps(make_watch, lines, monkeypatch):
    watch = make_watch()
    watch.after(1, None, metrics(1))
    assert lines == []
    now = time.monotonic()
    monkeypatch.setattr(module.time, "monotonic", lambda: now + 21)
    watch.after(2, None, metrics(1))
    assert lines == ["heartbeat: step 1 of 1000"]
    watch.close()


def test_steps_that_were_skipped_are_in_no_mean(make_watch, lines):
    watch = make_watch()
    for step, loss in enumerate([1, np.nan, 3, 5], start=1):
        watch.after(step, None, metrics(loss, skipped_in_row=int(np.isnan(loss))))
    watch.flush(4, None)
    assert lines[0].startswith("heartbeat: step 4 of 1000, loss 3, ")
    watch.close()


@pytest.mark.parametrize("in_row", [(0, 1, 2, 3), (1, 2, 3, 0)])
def test_too_many_skipped_steps_in_a_row_stop_the_run(make_watch, lines, in_row):
    watch = make_watch()
    for step, skipped_in_row in enumerate(in_row, start=1):
        watch.after(step, None, metrics(1, skipped_in_row=skipped_in_row))
    with pytest.raises(UserError, match=r"3 steps in a row up to step 4 .*max_skipped_in_row=3"):
        watch.flush(4, None)
    watch.close()


def test_a_trace_of_the_steps_is_written(tmp_path, lines):
    profile = Profile((2, 3), tmp_path)
    for step in range(1, 5):
        profile.before(step)
        profile.after(step, jnp.ones(3) * step)
        found = glob.glob(f"{tmp_path}/plugins/profile/*/*.xplane.pb")
        assert len(found) == (step >= 3)
    assert lines == [f"The trace of steps 2 to 3 is in {tmp_path}/plugins/profile"]
    profile.close()


def test_a_trace_that_is_cut_short_is_written_too(tmp_path, lines):
    profile = Profile((1, 100), tmp_path)
    profile.before(1)
    profile.close()
    assert glob.glob(f"{tmp_path}/plugins/profile/*/*.xplane.pb")


def test_no_steps_no_trace(tmp_path):
    profile = Profile((), tmp_path)
    profile.before(1)
    profile.after(1, None)
    profile.close()
    assert not list(tmp_path.iterdir())

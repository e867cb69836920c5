"""What is logged while a run goes on, without a run."""

import time
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

from madf_jax.config.options import TrainingOptions
from madf_jax.errors import UserError
from madf_jax.state.optimizer import OptimizerOptions
from madf_jax.training import metric_logger
from madf_jax.training.metric_logger import MetricLogger


@pytest.fixture
def make_logger(tmp_path, monkeypatch):
    """A logger of a run of 1000 steps that logs every 4, whose norms cost nothing."""
    options = TrainingOptions(steps=1000, log_every=4, max_skipped_in_row=3)
    norms = {"update_norm": 2.0, "skipped": 1}
    monkeypatch.setattr(metric_logger, "_make_norms", lambda *_: lambda _: norms)

    def make():
        writer, feed = SimpleNamespace(write_scalars=lambda *_: None), SimpleNamespace(waited=0.0)
        return MetricLogger(options, OptimizerOptions(), writer, feed)

    return make


def metrics(loss, skipped_in_row=0):
    return {"loss": jnp.float32(loss), "skipped_in_row": jnp.float32(skipped_in_row)}


def test_means_are_logged_a_step_late_in_one_line(make_logger, log_lines):
    logger = make_logger()
    for step in range(1, 5):
        logger.after(step, None, metrics(step))
    assert log_lines == []
    logger.after(5, None, metrics(100))
    (line,) = log_lines
    assert line.startswith("heartbeat: step 4 of 1000, loss 2.5, ")
    assert "images/s" in line and "waiting for data" in line and "1 skipped" in line


def test_the_line_comes_also_between_long_steps(make_logger, log_lines, monkeypatch):
    logger = make_logger()
    logger.after(1, None, metrics(1))
    assert log_lines == []
    now = time.monotonic()
    monkeypatch.setattr(metric_logger.time, "monotonic", lambda: now + 21)
    logger.after(2, None, metrics(1))
    assert log_lines == ["heartbeat: step 1 of 1000"]


def test_steps_that_were_skipped_are_in_no_mean(make_logger, log_lines):
    logger = make_logger()
    for step, loss in enumerate([1, np.nan, 3, 5], start=1):
        logger.after(step, None, metrics(loss, skipped_in_row=int(np.isnan(loss))))
    logger.flush(4, None)
    assert log_lines[0].startswith("heartbeat: step 4 of 1000, loss 3, ")


@pytest.mark.parametrize("in_row", [(0, 1, 2, 3), (1, 2, 3, 0)])
def test_too_many_skipped_steps_in_a_row_stop_the_run(make_logger, log_lines, in_row):
    logger = make_logger()
    for step, skipped_in_row in enumerate(in_row, start=1):
        logger.after(step, None, metrics(1, skipped_in_row=skipped_in_row))
    with pytest.raises(UserError, match=r"3 steps in a row up to step 4 .*max_skipped_in_row=3"):
        logger.flush(4, None)

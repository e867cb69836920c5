"""Trainings and evaluations with their working directory on an emulated Google Cloud Storage."""

import re
import signal
import time

import numpy as np
import pytest

from tests.buckets.programs import BUCKET, RUN, job
from tests.faults.jobs import free_port

pytestmark = pytest.mark.slow


def train(start, workdir, *flags):
    return start("train.py", *RUN, f"--workdir={workdir}", *flags)


def arrays_of(start, source, target):
    """Of the newest checkpoint, Adam's moments as well."""
    start("-m", "madf_jax", "convert", source, target).require_end()
    with np.load(target) as content:
        return dict(content)


def test_a_run_in_a_bucket_ends_as_one_on_a_disk(start, tmp_path):
    """It is stopped by a signal, killed while it saves, and resumed; then evaluated in place."""
    workdir = f"gs://{BUCKET}/runs/killed"
    endless = "--config.training.steps=100000"
    first = train(start, workdir, endless)
    first.await_text(r"step 2 of")
    second = train(start, workdir)
    assert "is in use by another training" in second.require_end(1)
    first.process.send_signal(signal.SIGTERM)
    first.require_end(75)
    third = train(start, workdir, endless)
    third.await_text(r"Resuming from step \d")
    third.await_text(r"step \d+ of")
    time.sleep(1)  # into a save
    third.kill()
    steps = int(re.findall(r"step (\d+) of", third.text)[-1]) + 8
    flag = f"--config.training.steps={steps}"
    assert "for a sign of life" not in train(start, workdir, flag).require_end()
    train(start, tmp_path / "disk", flag).require_end()
    expected = arrays_of(start, tmp_path / "disk", tmp_path / "disk.npz")
    found = arrays_of(start, workdir, tmp_path / "bucket.npz")
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    report = start("eval.py", f"--workdir={workdir}").require_end()
    assert f"3 held-out images at step {steps}" in report
    assert f"Report: {workdir}/evaluation.html" in report


def test_two_processes_share_a_bucket(start, tmp_path):
    workdir = f"gs://{BUCKET}/runs/pair"
    place = f"localhost:{free_port()}"
    for program in [train(start, workdir, *job(place, index)) for index in range(2)]:
        program.require_end()
    place = f"localhost:{free_port()}"
    pair = [start("eval.py", f"--workdir={workdir}", *job(place, index)) for index in range(2)]
    assert ["held-out images" in program.require_end() for program in pair] == [True, False]
    assert arrays_of(start, workdir, tmp_path / "end.npz")

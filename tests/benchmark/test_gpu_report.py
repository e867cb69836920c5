"""The report of a GPU, with workers that take no time and need no GPU."""

import dataclasses
import json
import os
import signal
import time
import types

import pytest

from madf_jax.__main__ import main
from madf_jax.benchmark import programs
from madf_jax.benchmark.gpu import flop, launch, run, training, worker
from madf_jax.benchmark.gpu.batches import growing_batches
from madf_jax.benchmark.gpu.flop import FlopCounts
from madf_jax.benchmark.gpu.page import Page
from madf_jax.benchmark.gpu.series import Row, Series, all_series, share
from madf_jax.benchmark.gpu.training import Training, read_heartbeats, train_for
from madf_jax.benchmark.gpu.worker import Task
from madf_jax.benchmark.programs import Program
from madf_jax.compiler import Costs

TRAIN = Series("train", 512, "bfloat16")
CARD = {
    "device": "Some card",
    "processor": "p",
    "cores": 2,
    "versions": {"jax": "1"},
    "matmul_gflops": {"bfloat16": 100e3, "float32": 50e3},
}
HEARTBEAT = (
    "heartbeat: step {} of 1000000, loss {}, {} images/s, {} % waiting for data, 3.5 GB at most, "
    "0 skipped, 1:00:00 left"
)


class Counted:
    """1 TFLOP for each image."""

    def __init__(self, subjects):
        pass

    def get(self, what, size, batch):
        return 1e12 * batch

    def finish(self, seconds):
        pass


@pytest.mark.parametrize(
    ("fitting", "largest", "batches"),
    [
        (40, 1024, [1, 4, 16, 64, 32, 8, 2]),
        (5, 1024, [1, 4, 16, 8, 2]),
        (0, 1024, [1]),
        (99, 4, [1, 4, 2]),
        (99, 1, [1]),
    ],
)
def test_batches_grow_to_the_first_that_fails_and_then_fill_the_gaps(fitting, largest, batches):
    rows = growing_batches(
        lambda batch: Row(TRAIN, batch, note="out of memory" * (batch > fitting)), largest
    )
    assert [row.batch for row in rows] == batches


def test_what_matters_most_comes_first_and_has_more_time():
    every = all_series([512, 256], with_reference=True)
    assert every[0] == TRAIN
    assert len(set(every)) == len(every) == 16
    assert [series.size for series in every] == [512] * 8 + [256] * 8
    shares = [share(every[index:], 100) for index in range(len(every))]
    assert shares[0] == 2 * 100 * 4 / (4 * (4 + 1 + 2 + 1))
    assert shares[-1] == 100


def test_a_batch_without_memory_is_a_row_and_the_others_are_measured(monkeypatch):
    def train_program(batch):
        if batch > 1:
            raise RuntimeError("RESOURCE_EXHAUSTED: 99 bytes\nand more")
        return Program(lambda: None, Costs(0.0, 100, 0, 20, 3, 4, seconds=0.5))

    monkeypatch.setattr(programs, "train_setup", lambda size, batch, dtype: batch)
    monkeypatch.setattr(programs, "train_program", train_program)
    said = []
    worker.perform(Task(TRAIN, None, "cpu", 8), said.append)
    assert [message["begun"] for message in said[::2]] == [1, 4, 2]
    rows = [message["row"] for message in said[1::2]]
    assert [row["note"] for row in rows] == ["", "out of memory", "out of memory"]
    assert (rows[0]["memory"], rows[0]["compile_seconds"]) == (127, 0.5)
    assert rows[0]["seconds"] > 0
    assert Task.read(json.dumps({"series": rows[0]["series"], **task_fields()})).series == TRAIN


def task_fields():
    return {"reference": None, "platform": "cpu", "largest": 8}


@pytest.fixture
def python(tmp_path, monkeypatch):
    """Makes a shell script stand for Python in what the report starts."""

    def replace(script):
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        executable = types.SimpleNamespace(executable=str(path))
        monkeypatch.setattr(launch, "sys", executable)
        monkeypatch.setattr(training, "sys", executable)

    return replace


def messages(*said):
    return "\n".join(f"echo '{json.dumps(message)}'" for message in said)


ROW = {"series": TRAIN.__dict__, "batch": 1, "seconds": 0.5}


@pytest.mark.parametrize(
    ("then", "seconds", "note"),
    [
        ("exec sleep 60", 3, "stopped after 3 s, its share of the time"),
        ("echo 'Some error' >&2; exit 3", 60, "Some error"),
        ("exit 3", 60, "ended with status 3"),
        ("kill -SEGV $$", 60, "ended with status -11"),
    ],
)
def test_rows_before_a_worker_ends_are_kept_and_one_says_why(then, seconds, note, python, tmp_path):
    python(messages({"begun": 1}, {"row": ROW}, {"begun": 4}) + "\n" + then)
    rows = list(launch.measure(Task(TRAIN, None, "cpu", 8), tmp_path, seconds))
    assert rows == [Row(TRAIN, 1, 0.5), Row(TRAIN, 4, note=note)]


def test_without_a_gpu_there_is_one_line(python, tmp_path, capsys):
    python("echo 'it finds none of platform cuda' >&2; exit 1")
    assert main(["gpu-report", "--output", str(tmp_path / "new")]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "no GPU is here that JAX can use: it finds none of platform cuda" in error
    assert not list((tmp_path / "new").iterdir())


@pytest.fixture
def quick(monkeypatch, tmp_path):
    """A card whose series have one row each; between rows the report is read."""
    read = []

    def measure(task, cache, seconds):
        written = tmp_path / "gpu.json"
        read.append(len(json.loads(written.read_text())["rows"]) if written.exists() else 0)
        yield Row(task.series, 1, 0.5)

    monkeypatch.setattr(run, "describe_card", lambda *_: CARD)
    monkeypatch.setattr(run, "FlopCounts", Counted)
    monkeypatch.setattr(run, "measure", measure)
    monkeypatch.setattr(run, "train_for", lambda seconds, *_: Training("c", seconds, note="no"))
    return read


def test_the_report_is_written_after_every_row(quick, tmp_path, capsys):
    assert main(["gpu-report", "--output", str(tmp_path), "--size", "512"]) == 0
    assert quick == [0, 1, 2, 3]
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert len(content["rows"]) == 4
    assert content["not_begun"] == []
    assert content["training"]["seconds"] == 180
    assert (tmp_path / "gpu.md").read_text() in capsys.readouterr().out


def test_what_time_does_not_allow_is_named(quick, tmp_path, monkeypatch):
    now = iter(range(0, 10**6, 150))
    monkeypatch.setattr(run.time, "monotonic", lambda: next(now))
    assert main(["gpu-report", "--output", str(tmp_path), "--size", "512"]) == 0
    content = json.loads((tmp_path / "gpu.json").read_text())
    assert content["not_begun"] == ["network 512 float32"]
    assert "Not begun, for want of time: network 512 float32." in (tmp_path / "gpu.md").read_text()


def test_a_termination_ends_what_was_started_and_keeps_the_report(quick, tmp_path, monkeypatch):
    ended = []

    def measure(task, cache, seconds):
        try:
            yield Row(task.series, 1, 0.5)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(60)
        finally:
            ended.append(task.series)

    monkeypatch.setattr(run, "measure", measure)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["gpu-report", "--output", str(tmp_path)]) == 130
    assert signal.getsignal(signal.SIGTERM) == before
    assert ended == [TRAIN]
    assert len(json.loads((tmp_path / "gpu.json").read_text())["rows"]) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--size", "100"], "--size=100: use multiples of 128"),
        (["--reference", "nowhere"], "--reference=nowhere: there is no such file or directory"),
    ],
)
def test_mistakes_are_reported_before_anything_is_measured(arguments, message, tmp_path, capsys):
    assert main(["gpu-report", "--output", str(tmp_path), *arguments]) == 1
    assert capsys.readouterr().err == f"madf-jax: {message}\n"


def test_ours_and_pytorchs_stand_beside_each_other():
    theirs = Series("train", 512, "bfloat16", reference=True)
    rows = [
        Row(TRAIN, 1, 0.05, 2 * 10**9, 30.4),
        Row(TRAIN, 4, note="out of memory"),
        Row(theirs, 4, 0.4, 3 * 10**9),
        Row(theirs, 1, 0.1, 10**9),
    ]
    text = Page("madf-jax gpu-report", CARD, Counted(()), rows).to_markdown()
    lines = [line for line in text.splitlines() if line.startswith("| train")]
    assert lines == [
        "| train | 512 | bfloat16 | 1 | 50 | 20 | 20 | 20% | 2.00 GB | 30 s | 10 | 1.00 GB "
        "| **2.00** |",
        "| train | 512 | bfloat16 | 4 | - | out of memory | - | - | - | - | 10 | 3.00 GB | - |",
    ]
    assert "100 TFLOP/s in bfloat16, 50 TFLOP/s in float32" in text


def test_a_training_is_read_from_its_heartbeats():
    beats = [(10, 5.0, 20, 40), (20, 2.0, 60, 2), (30, "1.5", "50.5", 0)]
    log = "\n".join(["heartbeat: step 1 of 9", *(HEARTBEAT.format(*beat) for beat in beats)])
    found = read_heartbeats(log)
    assert found["losses"] == (5.0, 1.5)
    assert (found["steps"], found["rate"], found["waiting"]) == (30, 50.5, 0.02)
    assert read_heartbeats("nothing")["note"] == "no step was logged in this time"


@pytest.mark.parametrize(
    ("script", "note"),
    [
        (f"trap 'exit 75' TERM; echo '{HEARTBEAT.format(9, 1, 2, 3)}'; sleep 60 & wait", ""),
        ("echo 'train.py: no data'; exit 1", "train.py: no data"),
    ],
)
def test_a_training_is_asked_to_stop(script, note, python, tmp_path):
    python(script)
    log = tmp_path / "training.log"
    trained = train_for(3, "configs/default.py", "cpu", tmp_path, log)
    assert trained.note == note
    assert (trained.steps == 9) == (not note)
    assert log.read_text()


def test_a_training_that_does_not_stop_is_not_waited_for(python, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_SAVING_SECONDS", 1)
    python("trap 'echo saves and stops' TERM; while :; do sleep 0.1; done")
    trained = train_for(1, "configs/default.py", "cpu", tmp_path, tmp_path / "training.log")
    assert trained.note == "it had not ended 1 s after it was asked to stop"


@pytest.mark.slow
@pytest.mark.parametrize("what", ["network", "train"])
def test_arithmetic_is_linear_in_the_batch(what, monkeypatch, make_network):
    for module in (flop, programs):
        monkeypatch.setattr(module, "MADF", lambda dtype: make_network(dtype=dtype))
    counts = FlopCounts([(what, 16)])
    counts.finish(600)
    trace = {"network": flop._trace_network, "train": flop._trace_training}[what]
    lowered = trace(16, 5).lower(lowering_platforms=("cuda",))
    assert counts.get(what, 16, 5) == pytest.approx(lowered.cost_analysis()["flops"], rel=1e-6)


@pytest.mark.slow
def test_real_workers_describe_a_cpu_and_measure_on_it(tmp_path):
    task = Task(None, None, "cpu", 1)
    assert set(launch.describe_card(task, tmp_path)["matmul_gflops"]) == {"bfloat16", "float32"}
    series = Series("network", 128, "float32")
    (row,) = launch.measure(dataclasses.replace(task, series=series), tmp_path, 600)
    assert (row.series, row.batch, row.note) == (series, 1, "")
    assert min(row.rate, row.memory, row.compile_seconds) > 0

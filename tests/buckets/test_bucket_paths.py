"""What must hold in a bucket, in a directory that is reached as one: by `epath`, not `pathlib`."""

import importlib.util
import json
import subprocess
import sys
import threading
import time
from unittest.mock import Mock

import numpy as np
import pytest
from etils import epath

from madf_jax.checkpoints import ownership
from madf_jax.checkpoints.holder import identify
from madf_jax.checkpoints.ownership import LOCK, clear_abandoned_lock, exclusive
from madf_jax.checkpoints.plain_path import plain_path
from madf_jax.errors import UserError
from madf_jax.evaluation.output import ReportDirectory
from madf_jax.files import (
    absolute,
    any_path,
    in_bucket,
    is_directory,
    local_copy,
    make_directory,
    read_json,
    system_errors,
    write_text,
)
from madf_jax.training import tensorboard
from madf_jax.training.profile import Profile
from madf_jax.training.tensorboard import TensorBoardWriter


@pytest.fixture
def bucket(tmp_path):
    """Not a `pathlib.Path`: taken for a path in a bucket."""
    place = epath.Path(tmp_path / "run")
    assert in_bucket(place) and absolute(place) is place
    return place


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://bucket/run", "--workdir=s3://bucket/run: only local paths and gs://BUCKET"),
        ("http://host/run", "only local paths and gs://BUCKET"),
        ("file:///run", "only local paths and gs://BUCKET"),
        ("gs:/bucket/run", "only local paths and gs://BUCKET"),
        ("gs://", "names no bucket; write gs://BUCKET/PATH"),
        ("gs:///run", "names no bucket"),
        ("gs://-/run", "names no bucket"),
        ("gs://Bucket/run", "names no bucket"),
        ("GS://bucket/run", "names no bucket"),
        ("gs://buck et/run", "names no bucket"),
    ],
)
def test_other_urls_are_refused_in_one_line(url, message):
    with pytest.raises(UserError, match=message):
        any_path(url, "--workdir")


def test_a_bucket_needs_the_extra(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"--workdir=gs://b1/r: needs .* 'madf-jax\[gcs\]'"):
        any_path("gs://b1/r", "--workdir")


def test_a_path_in_a_bucket_keeps_its_name():
    path = any_path("gs://my-bucket.x/runs/a b")
    assert (str(path), in_bucket(path)) == ("gs://my-bucket.x/runs/a b", True)
    assert not in_bucket(any_path("runs/a"))


class HttpError(Exception):
    """As gcsfs has one."""

    code: int | None = None


class Unauthorized(HttpError):
    code = 401


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (HttpError("out of\n order"), "out of order; start again when the bucket can be reached"),
        (OSError("Forbidden: b\nsays"), "Forbidden: b says; give this account the role Storage"),
        (Unauthorized("who?"), "who?; log in: gcloud auth application-default login"),
        (TimeoutError(), "TimeoutError; start again when the bucket can be reached"),
    ],
)
def test_whatever_a_bucket_raises_is_one_line_with_a_remedy(bucket, error, line):
    with pytest.raises(UserError) as raised, system_errors(bucket, "--workdir"):
        raise error
    assert str(raised.value).startswith(f"--workdir={bucket}: {line}")


def test_what_no_bucket_raised_is_not_explained_as_such(bucket):
    with pytest.raises(HttpError), system_errors(bucket.as_posix()):
        raise HttpError("not of a bucket")


def test_a_refusal_of_a_bucket_is_no_lack_of_a_directory(bucket, monkeypatch):
    assert not is_directory(bucket)
    bucket.mkdir()
    assert is_directory(bucket)
    monkeypatch.setattr(type(bucket), "stat", Mock(side_effect=OSError("Forbidden: b")))
    with pytest.raises(UserError, match="Forbidden: b; give this account"):
        is_directory(bucket, "--workdir")


def test_files_are_written_whole_and_read(bucket):
    make_directory(bucket, "--workdir")
    assert not list(bucket.iterdir())
    write_text(bucket / "a.json", "[1]")
    assert read_json(bucket / "a.json") == [1]
    assert [path.name for path in bucket.iterdir()] == ["a.json"]
    with local_copy(bucket / "a.json") as file:
        assert (file.suffix, file.read_text()) == (".json", "[1]")
    assert not file.exists()


def test_names_that_orbax_misreads_are_refused(bucket):
    with plain_path(bucket) as plain:
        assert plain is bucket
    with pytest.raises(UserError, match=r"a\[1\]: holds one of"), plain_path(bucket / "a[1]"):
        pass


@pytest.fixture
def quick(bucket, monkeypatch):
    bucket.mkdir(parents=True)
    monkeypatch.setattr(ownership, "_BEAT", 0.05)
    monkeypatch.setattr(ownership, "_SILENCE", 2.5)
    return bucket


def test_one_training_at_a_time_has_a_bucket_and_leaves_it(quick):
    with exclusive(quick) as text:
        assert (quick / LOCK).read_text().startswith(text)
        line = r"is in use by another training: process \d+ on"
        with pytest.raises(UserError, match=line), exclusive(quick):
            pass
    assert not (quick / LOCK).exists()
    with exclusive(quick):
        pass


def test_a_training_that_was_killed_is_waited_for_and_then_replaced(quick):
    (quick / LOCK).write_text("process 1 on some-host since long ago (abc)\n7")
    begin = time.monotonic()
    with exclusive(quick):
        assert time.monotonic() - begin >= ownership._SILENCE


def test_the_lock_of_a_killed_training_is_cleared_and_that_of_a_living_one_is_not(quick):
    clear_abandoned_lock(quick)
    (quick / LOCK).write_text("process 1 on some-host since long ago (abc)\n7")
    clear_abandoned_lock(quick)
    assert not (quick / LOCK).exists()
    with exclusive(quick), pytest.raises(UserError, match="in use by another training"):
        clear_abandoned_lock(quick)


def test_the_lock_of_a_process_that_ended_on_this_machine_is_not_waited_for(quick, monkeypatch):
    monkeypatch.setattr(ownership, "_SILENCE", float("inf"))
    program = (
        "import os, pathlib, signal, sys\n"
        "from madf_jax.checkpoints.holder import identify\n"
        "pathlib.Path(sys.argv[1]).write_text(f'process 1 on this-host\\n{identify()}\\n7')\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(quick / LOCK)], check=False)
    clear_abandoned_lock(quick)
    assert not (quick / LOCK).exists()


def test_a_training_of_this_machine_that_does_nothing_keeps_its_bucket(quick, monkeypatch):
    monkeypatch.setattr(ownership, "_SILENCE", 0.0)
    (quick / LOCK).write_text(f"process 1 on this-host\n{identify()}\n7")
    with pytest.raises(UserError, match="in use by another training: process 1 on this-host"):
        clear_abandoned_lock(quick)


def test_who_lost_a_bucket_ends(quick, monkeypatch, capfd):
    ended = threading.Event()
    monkeypatch.setattr(ownership.os, "_exit", lambda status: (ended.set(), time.sleep(1)))
    with exclusive(quick):
        (quick / LOCK).write_text("another\n1")
        assert ended.wait(60)
    assert "is another training's by now: this one ends" in capfd.readouterr().err
    assert (quick / LOCK).read_text() == "another\n1"


def test_events_reach_a_bucket_whole(bucket, monkeypatch):
    bucket.mkdir(parents=True)
    monkeypatch.setattr(tensorboard, "_FLUSH", 0.0)
    writer = TensorBoardWriter(bucket)
    writer.write_scalars(1, {"loss": 2.0})
    writer.write_image(2, "images", np.zeros((4, 4, 3), np.uint8))
    writer.close()
    (file,) = bucket.iterdir()
    assert file.name.startswith("events.out.tfevents.")
    assert b"loss" in file.read_bytes() and b"images" in file.read_bytes()


def test_a_trace_is_copied_to_a_bucket(bucket):
    profile = Profile((1, 1), bucket)
    profile.before(1)
    profile.after(1, {})
    assert list(bucket.glob("plugins/profile/*/*"))


def test_a_report_replaces_only_its_own_files_in_a_bucket(bucket, tmp_path):
    report = ReportDirectory(bucket, 0, {"--images": tmp_path})
    report.make()
    report.write({"a": 1}, {"evaluation.csv": "x"}, [])
    again = ReportDirectory(bucket, 0, {})
    again.write({"a": 2}, {}, [])
    assert [path.name for path in bucket.iterdir()] == ["evaluation.json"]
    assert json.loads((bucket / "evaluation.json").read_text())["a"] == 2
    (bucket / "evaluation.csv").write_text("the user's")
    with pytest.raises(UserError, match=r"evaluation\.csv: is in the way"):
        ReportDirectory(bucket, 0, {})

"""Addresses that no program can use: each is answered by one line, and nothing is written."""

import importlib.util

import pytest

import eval as evaluation_script
import train as training_script
from madf_jax.__main__ import main as command
from tests.buckets.programs import BUCKET, ROOT, RUN
from tests.faults.jobs import free_port

CONFIG = f"--config={ROOT / 'configs/quickstart.py'}"
PROGRAMS = {
    "train.py": training_script.main,
    "eval.py": evaluation_script.main,
    "madf-jax": command,
}
LOCAL, GOOGLE = "only local paths", "gs://BUCKET"


def train(flag):
    return ["train.py", CONFIG, "--workdir=run", flag]


ADDRESSES = [
    (train("--workdir=s3://bucket/run"), "--workdir=s3://bucket/run", GOOGLE),
    (train("--workdir=http://host/run"), "--workdir=http://host/run", GOOGLE),
    (train("--workdir=file:///run"), "--workdir=file:///run", LOCAL),
    (train("--workdir=gss://bucket/run"), "--workdir=gss://bucket/run", GOOGLE),
    (train("--workdir=gs:/bucket/run"), "--workdir=gs:/bucket/run", GOOGLE),
    (train("--workdir=gs://"), "--workdir=gs://", "names no bucket; write gs://BUCKET/PATH"),
    (train("--workdir=gs:///run"), "--workdir=gs:///run", "names no bucket"),
    (train("--config.data.train_path=gs://b/images"), "data.train_path=gs://b/images", "mount"),
    (train("--config.masks.train_path=gs://b/masks"), "masks.train_path=gs://b/masks", "mount"),
    (train("--config.init.weights=hf://user/model"), "init.weights=hf://user/model", GOOGLE),
    (["eval.py", "--workdir=s3://bucket/run"], "--workdir=s3://bucket/run", GOOGLE),
    (["eval.py", "--weights=hf://user/w.npz", "--output=o"], "--weights=hf://user/w.npz", GOOGLE),
    (["eval.py", "--workdir=run", "--output=https://host/o"], "--output=https://host/o", GOOGLE),
    (["eval.py", "--workdir=run", "--features=gs://b/f"], "--features=gs://b/f", "copy or mount"),
    (["madf-jax", "convert", "hf://user/model", "w.npz"], "hf://user/model", GOOGLE),
    (["madf-jax", "convert", "s3://bucket/run", "w.npz"], "s3://bucket/run", GOOGLE),
    (["madf-jax", "convert", "w.npz", "gs://bucket/w.npz"], "gs://bucket/w.npz", "copy or mount"),
    (["madf-jax", "inpaint", "--weights=s3://b/w.npz"], "--weights=s3://b/w.npz", GOOGLE),
    (["madf-jax", "inpaint", "--image=https://host/i.png"], "--image=https://host/i.png", LOCAL),
    (["madf-jax", "inpaint", "--output=gs://b/o.png"], "--output=gs://b/o.png", LOCAL),
]


def answer(program, arguments, capfd):
    """The last line of a program that ends with status 1, which is the only one of its own."""
    assert PROGRAMS[program](arguments) == 1
    errors = capfd.readouterr().err
    assert "Traceback" not in errors and "Compiling" not in errors
    (line,) = [line for line in errors.splitlines() if line.startswith(f"{program}: ")]
    return line


@pytest.mark.parametrize(("arguments", "address", "remedy"), ADDRESSES)
def test_an_address_that_is_not_served_is_one_line(
    arguments, address, remedy, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    line = answer(arguments[0], arguments[1:], capfd)
    assert address in line and remedy in line, line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["train.py", CONFIG, "--workdir=gs://bucket/run"],
        ["eval.py", "--workdir=gs://bucket/run"],
        ["madf-jax", "convert", "gs://bucket/run", "w.npz"],
    ],
)
def test_a_bucket_without_its_extra_is_one_line(arguments, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    line = answer(arguments[0], arguments[1:], capfd)
    assert "gs://bucket/run: needs the package gcsfs: pip install 'madf-jax[gcs]'" in line
    assert list(tmp_path.iterdir()) == []


ANSWERS = {
    "status-401": 3 * ["log in: gcloud auth application-default login"],
    "status-403": 3 * ["give this account the role Storage Object Admin in this bucket"],
    "status-503": 3 * ["start again when the bucket can be reached"],
    "no-such-bucket": [
        "there is no such bucket",
        "is not a directory; train a run",
        "no such file",
    ],
}


def require_one_line(program, url, remedy):
    """It ends with status 1 and one line; none of the libraries has added a traceback."""
    errors = program.require_end(1)
    assert "Traceback" not in errors and "Compiling" not in errors, errors
    assert url in errors.splitlines()[-1] and remedy in errors.splitlines()[-1], errors


@pytest.mark.slow
@pytest.mark.parametrize("bucket", ANSWERS)
def test_a_bucket_that_refuses_is_one_line_before_anything_compiles(bucket, start, tmp_path):
    url, target = f"gs://{bucket}/run", tmp_path / "w.npz"
    commands = (
        ("train.py", *RUN, f"--workdir={url}"),
        ("eval.py", f"--workdir={url}"),
        ("-m", "madf_jax", "convert", url, target),
    )
    programs = [start(*command) for command in commands]
    for program, remedy in zip(programs, ANSWERS[bucket], strict=True):
        require_one_line(program, url, remedy)
    assert not target.exists()


@pytest.mark.slow
def test_a_bucket_that_can_not_be_reached_is_one_line(start):
    nowhere = {"STORAGE_EMULATOR_HOST": f"http://127.0.0.1:{free_port()}"}
    url = f"gs://{BUCKET}/run"
    program = start("train.py", *RUN, f"--workdir={url}", **nowhere)
    require_one_line(program, url, "start again when the bucket can be reached")

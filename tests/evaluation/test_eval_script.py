"""The script `eval.py`: its flags, what it prints and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from eval import main
from tests.evaluation.conftest import BEST

ROOT = Path(__file__).parents[2]
TWO = "--config.evaluation.count=2"


def test_a_run_is_evaluated_with_its_own_config(workdir, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main([f"--workdir={workdir}", "--output=~/report", "--step=best", TWO]) == 0
    printed = capsys.readouterr().out
    assert f"2 held-out images at step {BEST} (averaged weights), protocol basic:" in printed
    assert f"Report: {tmp_path}/report/evaluation.html" in printed
    assert f"2 image grids: {tmp_path}/report/grids/0000.png to 0001.png" in printed
    report = json.loads((tmp_path / "report" / "evaluation.json").read_text())
    assert f"{report['methods']['madf']['psnr']:.3f}" in printed
    command = f"python eval.py --workdir={workdir} '--output=~/report' --step=best {TWO}"
    assert report["command"] == command


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--workdir={run}", "--output=s3://bucket/x"], "--output=s3://bucket/x: only local"),
        (["--workdir=s3://bucket/x"], "--workdir=s3://bucket/x: only local"),
        (["--workdir={run}", "--output="], "--output is empty"),
        (["--workdir={run}", "--output=" + "x" * 300], "File name too long"),
        (["--workdir={run}", "--features=gs://bucket/x"], "--features=gs://bucket/x: only local"),
        (["--workdir={run}", "--features=x.npz"], "'basic' computes no features; choose one of"),
        (["--workdir={run}", "--config.evaluation.protocol=mad"], "evaluation.protocol"),
        (["--workdir={run}", "--step=last"], "--step=last: use the number of a step"),
        (["--workdir={run}", "--step=5"], "--step=5: there is no such checkpoint"),
        (["--workdir={run}", "--stepp=5"], "unknown flag '--stepp'"),
        (["--workdir={run}", "--config.masks.hol=white"], "masks.hol"),
        (["--workdir={run}", "--config=missing.py"], "--config=missing.py: there is no such"),
        (["--workdir={run}/missing"], "is not a directory; train a run there first"),
        ([], "--workdir is missing"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(
    workdir, tmp_path, monkeypatch, capfd, flags, message
):
    monkeypatch.chdir(tmp_path)
    before = sorted(workdir.rglob("*"))
    assert main([flag.replace("{run}", str(workdir)) for flag in flags]) == 1
    captured = capfd.readouterr()
    (line,) = [line for line in captured.err.splitlines() if line.startswith("eval.py: ")]
    assert message in line
    assert captured.out == ""
    assert sorted(workdir.rglob("*")) == before
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_reader_that_has_gone_ends_it_without_a_word(workdir, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    flags = [f"--workdir={workdir}", f"--output={tmp_path}", TWO]
    pipes = {"stdout": writer, "stderr": subprocess.PIPE}
    program = [sys.executable, "eval.py", *flags]
    done = subprocess.run(program, cwd=ROOT, text=True, check=False, **pipes)
    os.close(writer)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr and "Exception" not in done.stderr
    assert (tmp_path / "evaluation.json").exists()

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from absl import logging

from madf_jax import terminal
from madf_jax.terminal import _escape_arguments, _show_unraisable

ROOT = Path(__file__).parents[1]
PROGRAM = """
import sys
from madf_jax.terminal import quiet_broken_pipe
with quiet_broken_pipe():
    for line in range(100_000):
        print("line", line, file=sys.{stream})
    sys.exit("not reached")
"""


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_a_reader_that_has_gone_ends_the_program_without_a_word(stream):
    program = [sys.executable, "-c", PROGRAM.format(stream=stream)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(program, cwd=ROOT, text=True, **pipes) as process:
        read, other = process.stdout, process.stderr
        if stream == "stderr":
            read, other = other, read
        assert read.readline() == "line 0\n"
        read.close()
        assert other.read() == ""
        assert process.wait() == 141  # as a shell sees a program that SIGPIPE ended


def test_a_command_without_a_reader_ends_without_a_word():
    reader, writer = os.pipe()
    os.close(reader)
    program = [sys.executable, "-m", "madf_jax", "--help"]
    # What is not buffered fails inside argparse, which ignores it.
    environment = {name: v for name, v in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = {"stdout": writer, "stderr": subprocess.PIPE}
    done = subprocess.run(program, cwd=ROOT, env=environment, check=False, **pipes)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


def test_names_are_escaped_in_log_lines_and_numbers_stay_numbers():
    record = logging.get_absl_logger().makeRecord(
        "absl", 20, "x.py", 1, "%s %d %.1f", ("a\nb", np.int64(3), np.float32(0.5)), None
    )
    assert _escape_arguments(record)
    assert record.getMessage() == r"a\nb 3 0.5"


def test_late_writes_of_a_failed_save_are_not_shown_and_anything_else_is(monkeypatch):
    shown = []
    monkeypatch.setattr(terminal, "_UNRAISABLE", shown.append)
    late = SimpleNamespace(exc_value=RuntimeError("Event loop is closed"))
    other = SimpleNamespace(exc_value=RuntimeError("something else"))
    for error in (late, other):
        _show_unraisable(error)
    assert shown == [other]

"""A function in a process of its own: its result, its errors, its crash and an interruption."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from madf_jax.errors import UserError
from madf_jax.planning.isolated import run_in_subprocess

HANGING = 600  # seconds


def add(one, other):
    print("a warning", file=sys.stderr)
    return one + other


def mistaken():
    raise UserError("use 3")


def crash():
    os.write(2, b"*** SIGSEGV STACK OVERFLOW (see elsewhere) received ***\nPC: @ 0x7f\n")
    os.abort()


def crash_silently():
    os.abort()


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def exits():
    print("no such plugin", file=sys.stderr)
    sys.exit(1)


def hang(path):
    """Like a compiler, it does not react to SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    path.write_text(str(os.getpid()))
    time.sleep(HANGING)


def is_running(process):
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_result_and_stderr_come_back(capfd):
    assert run_in_subprocess(add, 1, 2) == 3
    assert "a warning" in capfd.readouterr().err


def test_an_error_is_raised_here():
    with pytest.raises(UserError, match="use 3"):
        run_in_subprocess(mistaken)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (crash, "crashed with SIGSEGV STACK OVERFLOW, which"),
        (crash_silently, "crashed with SIGABRT, which"),
        (killed, "too little memory"),
        (exits, "process failed: no such plugin"),
    ],
)
def test_a_process_without_a_result_is_explained_in_one_line(function, message, capfd):
    with pytest.raises(UserError, match=message):
        run_in_subprocess(function)
    assert capfd.readouterr().err == ""


def test_an_interruption_ends_the_process(tmp_path):
    path = tmp_path / "pid"

    def interrupt():
        while not (path.exists() and path.read_text()):
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run_in_subprocess(hang, path)
    with pytest.raises(ProcessLookupError):
        os.kill(int(path.read_text()), 0)


def test_an_early_result_ends_the_process(tmp_path):
    path = tmp_path / "pid"

    def written():
        return int(path.read_text()) if path.exists() and path.read_text() else None

    process = run_in_subprocess(hang, path, poll_result=written)
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_the_process_ends_with_the_one_that_waits_for_it(stop, tmp_path):
    path = tmp_path / "pid"
    waiting = multiprocessing.get_context("spawn").Process(
        target=run_in_subprocess, args=(hang, path)
    )
    waiting.start()
    deadline = time.monotonic() + HANGING / 2
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(waiting.pid, stop)
    waiting.join()
    process = int(path.read_text())
    while is_running(process):  # it is not ours to wait for
        assert time.monotonic() < deadline
        time.sleep(0.05)

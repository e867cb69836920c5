"""What a signal does, in processes whose main thread can't run Python."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from madf_jax.training.signals import STOPPED, StopSignals

ROOT = Path(__file__).parents[2]
# A lock that is never released: the main thread waits in C, as in a compilation.
PROGRAM = """
import sys, threading
from madf_jax.training.signals import StopSignals
with StopSignals() as stop:
    if "defer" in sys.argv:
        stop.defer()
    print("ready", flush=True)
    lock = threading.Lock()
    lock.acquire()
    while not ("end" in sys.argv and stop.asked):
        lock.acquire(timeout=0.05 if "end" in sys.argv else -1)
print("ended by itself", flush=True)
"""


@pytest.fixture
def start():
    """Starts the program; it has printed that its handlers are there."""
    running = []

    def run(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_before_the_first_step_one_signal_ends_the_process_with_one_line(start, number):
    process = start()
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (STOPPED, "")
    (line,) = err.splitlines()
    assert f"stopped by {number.name} before the first step" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_a_process_that_waits(start, number):
    process = start("defer")
    process.send_signal(signal.SIGTERM)
    assert "saves and stops after this step" in process.stderr.readline()
    assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 128 + number
    (line,) = err.splitlines()
    assert f"ended at once by a second signal, {number.name}" in line


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_one_signal_asks_to_stop_once_there_is_something_to_save(start, number):
    process = start("defer", "end")
    process.send_signal(number)
    out, _ = process.communicate(timeout=120)
    assert (process.returncode, out) == (0, "ended by itself\n")


def test_an_ignored_signal_stays_ignored():
    """So a shell starts what runs in the background."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with StopSignals() as stop:
            signal.raise_signal(signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
        assert not stop.asked
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_handlers_of_before_are_restored():
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with StopSignals() as stop:
        assert signal.getsignal(signal.SIGTERM) is not before[signal.SIGTERM]
    assert {number: signal.getsignal(number) for number in before} == before
    assert not stop.asked
    assert signal.set_wakeup_fd(-1) == -1

import os
import subprocess
import sys

import pytest

from madf_jax.checkpoints import holder
from madf_jax.checkpoints.holder import identify, is_alive

pytestmark = pytest.mark.skipif(not identify(), reason="this system does not identify processes")


@pytest.fixture
def child():
    """A process that runs, and ends with its standard input."""
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()


def identity_of(pid):
    return f"{holder._machine()} {pid} {holder._start(pid)}"


def test_a_process_is_alive_until_it_ends(child):
    identity = identity_of(child.pid)
    assert is_alive(identity) is True
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_alive(identity) is False  # also before its parent has asked for its status
    child.wait()
    assert is_alive(identity) is False


def test_a_later_process_of_the_same_number_is_another():
    machine, pid, start = identify().split()
    assert is_alive(f"{machine} {pid} {start}") is True
    assert is_alive(f"{machine} {pid} {int(start) - 1}") is False


def test_nothing_is_known_of_another_machine_or_container(child):
    boot, pids = holder._machine().split(":")
    for machine in (f"{boot[::-1]}:{pids}", f"{boot}:{int(pids) + 1}"):
        assert is_alive(f"{machine} {2**22} 5") is None


@pytest.mark.parametrize("text", ["", "7", "a b c", "a b c d"])
def test_nothing_is_known_by_a_lock_without_an_identity(text):
    assert is_alive(text) is None
    assert is_alive(f"{holder._machine()} {text}") is None


def test_a_system_that_does_not_say_is_no_error(monkeypatch, tmp_path):
    identity = identify()
    monkeypatch.setattr(holder, "_BOOT", tmp_path / "none")
    assert identify() == "" and is_alive(identity) is None

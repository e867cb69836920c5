"""A function in a process of its own: its result, its mistakes and its crash."""

import os
import signal
import sys

import pytest

from madf_jax.errors import UserError
from madf_jax.planning.isolated import run_apart


def add(one, *, other):
    print("a warning", file=sys.stderr)
    return one + other


def mistaken():
    raise UserError("use 3")


def crash():
    os.write(2, b"*** SIGSEGV STACK OVERFLOW (see elsewhere) received ***\nPC: @ 0x7f\n")
    os.abort()


def killed():
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_result_and_what_was_told_come_back(capfd):
    assert run_apart(add, 1, other=2) == 3
    assert "a warning" in capfd.readouterr().err


def test_a_mistake_is_raised_here():
    with pytest.raises(UserError, match="use 3"):
        run_apart(mistaken)


def test_a_crash_is_told_in_one_line(capfd):
    with pytest.raises(UserError, match="crashed with SIGSEGV STACK OVERFLOW, which"):
        run_apart(crash)
    assert capfd.readouterr().err == ""


def test_a_kill_from_outside_is_told_as_one():
    with pytest.raises(UserError, match="too little memory"):
        run_apart(killed)

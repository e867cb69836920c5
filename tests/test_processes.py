"""Joining, and what processes tell each other, with the others played; see tests/faults."""

import threading

import jax
import pytest

from madf_jax import processes
from madf_jax.errors import UserError
from madf_jax.processes import gather, together


@pytest.fixture
def initialized(monkeypatch):
    """Keeps what JAX would be asked for, and joins nothing."""
    calls = []
    monkeypatch.setattr(jax.distributed, "initialize", lambda *a, **k: calls.append((a, k)))
    return calls


def test_flags_go_together(initialized):
    with pytest.raises(UserError, match=r"go together; --num_processes, --process_id is missing"):
        processes.join("host:1", None, None, 100)
    assert initialized == []


@pytest.mark.parametrize("coordinator", ["host", "host:", ":80", "host:http"])
def test_the_coordinator_is_a_host_and_a_port(initialized, coordinator):
    with pytest.raises(UserError, match=r"--coordinator=.*: give HOST:PORT of process 0"):
        processes.join(coordinator, 2, 0, 100)
    assert initialized == []


@pytest.mark.parametrize(("count", "index"), [(2, 2), (2, -1), (0, 0)])
def test_the_process_is_one_of_them(initialized, count, index):
    with pytest.raises(
        UserError, match=rf"--process_id={index} must be .* --num_processes={count}"
    ):
        processes.join("host:80", count, index, 100)
    assert initialized == []


def test_flags_and_the_timeout_reach_jax(initialized):
    processes.join("host:80", 2, 1, 7)
    assert initialized == [(("host:80", 2, 1), {"heartbeat_timeout_seconds": 7})]


def test_one_process_alone_looks_for_no_others(initialized):
    processes.join(None, 1, None, 7)
    assert initialized == []


def test_others_that_cannot_be_reached_are_a_mistake_of_the_user(monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("deadline\n exceeded")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(UserError, match=r"can't join the processes at host:80: deadline exceeded"):
        processes.join("host:80", 2, 1, 7)


def test_without_flags_and_without_a_cluster_this_is_the_only_process(monkeypatch):
    def fail(**_):
        raise ValueError("coordinator_address should be defined.")

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    processes.join(None, None, None, 100)
    assert not jax.distributed.is_initialized()


@pytest.mark.parametrize(
    "error", [RuntimeError("Kubernetes API Error: 403\n denied"), FileNotFoundError("no token")]
)
def test_a_cluster_that_cannot_be_asked_is_one_line_with_the_way_out(monkeypatch, error):
    def fail(**_):
        raise error

    monkeypatch.setattr(jax.distributed, "initialize", fail)
    with pytest.raises(UserError, match=r"403 denied|no token") as raised:
        processes.join(None, None, None, 7)
    assert "--coordinator" in str(raised.value) and "--num_processes=1" in str(raised.value)


def test_waiting_long_for_the_others_is_logged(monkeypatch, log_lines):
    logged = threading.Event()
    monkeypatch.setattr(processes, "_QUIET_SECONDS", 0.01)
    monkeypatch.setattr(
        processes.logging, "info", lambda line: log_lines.append(line) or logged.set()
    )
    monkeypatch.setattr(jax.distributed, "initialize", lambda **_: logged.wait(60))
    processes.join(None, None, None, 7)
    assert log_lines == [
        "Waiting for the other processes of this job (for a single process, pass --num_processes=1)"
    ]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ValueError("UNKNOWN: Gloo all-reduce failed: Connection closed by peer"), True),
        (RuntimeError("INTERNAL: the connection was reset"), True),
        (jax.errors.JaxRuntimeError("a device has gone"), True),
        (ValueError("an UNKNOWN: key"), False),
        (KeyError("loss"), False),
    ],
)
def test_a_failed_computation_is_known_by_its_status(error, expected):
    assert processes.is_runtime_failure(error) == expected


FAILURES = [
    (UserError("data: no images"), "data: no images"),
    (PermissionError(13, "Permission denied"), "[Errno 13] Permission denied"),
    (MemoryError(), "MemoryError"),
    (RuntimeError("RESOURCE_EXHAUSTED: out of memory"), "make it smaller"),
]


@pytest.mark.parametrize(("error", "line"), FAILURES)
def test_alone_what_a_user_can_fix_is_one_line(error, line):
    with pytest.raises(UserError) as raised, processes.ending_together("x.py", "make it smaller"):
        raise error
    assert str(raised.value) == line


def test_alone_any_other_error_is_raised_as_it_is():
    with pytest.raises(KeyError, match="loss"), processes.ending_together("x.py", ""):
        raise KeyError("loss")


@pytest.fixture
def left(monkeypatch):
    """Statuses with which a process of a job has left."""
    statuses = []

    def leave(status):
        statuses.append(status)
        raise SystemExit(status)

    monkeypatch.setattr(jax.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(processes.os, "_exit", leave)
    return statuses


@pytest.mark.parametrize(
    ("error", "line"),
    [
        *FAILURES,
        (ValueError("UNAVAILABLE: the peer has gone"), f"{processes.LOST}: UNAVAILABLE: the peer"),
        (KeyError("loss"), "this process failed, and the others of the job end with it"),
    ],
)
def test_one_of_several_leaves_with_a_line_and_waits_for_none(left, capfd, error, line):
    with pytest.raises(SystemExit), processes.ending_together("x.py", "make it smaller"):
        raise error
    assert left == [1]
    printed = capfd.readouterr().err
    assert f"x.py: {line}" in printed
    assert ("Traceback" in printed) == isinstance(error, KeyError)


def attempt(error=None):
    with together():
        if error is not None:
            raise UserError(error)
    return "done"


def test_what_succeeds_everywhere_is_done(play):
    assert play([attempt] * 3) == ["done"] * 3


def test_a_mistake_in_one_process_ends_all_with_the_same_line(play):
    results = play([attempt, lambda: attempt("images: there is no such folder"), attempt])
    line = "images: there is no such folder"
    assert results == [f"process 1: {line}", line, f"process 1: {line}"]


def test_alone_a_mistake_is_raised_as_it_is():
    with pytest.raises(UserError, match=r"^broken$"), together():
        raise UserError("broken")


def test_texts_of_any_length_reach_all(play):
    texts = ["", "a", 'grün "\n' * 100]
    assert play([lambda text=text: gather(text) for text in texts]) == [texts] * 3

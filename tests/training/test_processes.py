"""What is said before processes join; that they do is in tests/faults."""

import hashlib

import jax
import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.training import processes


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


@pytest.mark.parametrize("other", ["the same", "another"])
def test_processes_must_agree(monkeypatch, other):
    digest = np.frombuffer(hashlib.sha256(other.encode()).digest(), np.uint8)
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(
        processes.multihost_utils, "process_allgather", lambda own: np.stack([own, digest])
    )
    if other == "the same":
        processes.require_agreement("the same")
    else:
        with pytest.raises(UserError, match="processes of this job differ in their config"):
            processes.require_agreement("the same")


def test_leaving_alone_ends_with_the_message():
    with pytest.raises(SystemExit) as ended:
        processes.leave("why")
    assert ended.value.code == "why"

"""Runs that are asked to stop: SIGTERM of a scheduler, Ctrl-C of a person."""

import signal
import time

from madf_jax.training.signals import STOPPED
from tests.faults.ends import STEPS, assert_ended_alike, uninterrupted
from tests.faults.jobs import BEGUN, Job
from tests.faults.places import Place

_NO_SAVES = {"training.checkpoint_every": 1_000_000}


def stopped_by_a_signal(place: Place, processes: int, number: signal.Signals) -> str:
    """All processes save the same step and end with a status of its own; the next start goes on."""
    whole = uninterrupted(place, processes=processes)
    changes = {"training.steps": STEPS, **_NO_SAVES}
    with Job(place, "stopped", changes, processes) as job:
        job.start()
        job.await_text(BEGUN)
        start = time.monotonic()
        job.running[-1].send_signal(number)
        statuses = job.wait()
        seconds = time.monotonic() - start
        assert statuses == [STOPPED] * processes, job.text()[-3000:]
        (saved,) = job.steps()
        for index in range(processes):
            assert f"Stopped at step {saved} as asked" in job.text(index)
            assert "Traceback" not in job.text(index), job.text(index)[-3000:]
        job.finish()
    assert_ended_alike(whole, job.workdir)
    return (
        f"{number.name} to one of {processes} process(es): all saved step {saved}, status "
        f"{STOPPED} after {seconds:.1f} s; the next start ended bit-identical"
    )


def stopped_while_starting(place: Place) -> str:
    """Before the first step there is nothing to save: one line, whatever is being done."""
    took = []
    for number, moment in ((signal.SIGINT, "Reading the lists"), (signal.SIGTERM, "Compiling the")):
        with Job(place, number.name, {"training.steps": STEPS}) as job:
            job.start()
            job.await_text(moment)
            start = time.monotonic()
            job.running[0].send_signal(number)
            assert job.wait() == [STOPPED], job.text()[-3000:]
            took.append(time.monotonic() - start)
            assert f"stopped by {number.name} before the first step" in job.text().splitlines()[-1]
            assert "Traceback" not in job.text() and job.steps() == []
    return (
        f"SIGINT while reading, SIGTERM while compiling: one line, status {STOPPED} after "
        f"{took[0]:.1f} s and {took[1]:.1f} s"
    )


def second_signal_while_waiting(place: Place) -> str:
    """A process that waits for another, which does not answer, ends at a second signal."""
    changes = {"training.steps": 1_000_000, "training.process_timeout": 600, **_NO_SAVES}
    with Job(place, "waits", changes, processes=2) as job:
        job.start()
        job.await_text(BEGUN)
        job.running[1].send_signal(signal.SIGSTOP)
        job.running[0].send_signal(signal.SIGTERM)
        job.await_text("a second signal ends it at once")
        start = time.monotonic()
        job.running[0].send_signal(signal.SIGTERM)
        status = job.running[0].wait(600)
        seconds = time.monotonic() - start
        assert status == 128 + signal.SIGTERM, job.text()[-3000:]
        assert "Traceback" not in job.text()
    return (
        f"a second SIGTERM to a process whose partner does not answer: status {status} after "
        f"{seconds:.1f} s"
    )

"""Processes of a job that do not see the same, and trainings that meet in one directory."""

import signal
import time
from pathlib import Path

from madf_jax.processes import LOST
from tests.faults.ends import STEPS, assert_ended_alike, uninterrupted
from tests.faults.jobs import BEGUN, Job
from tests.faults.places import Place

_FAILING = str(Path(__file__).with_name("failing.py"))


def two_directories(place: Place) -> str:
    """Two processes whose `--workdir` is not one shared directory say so before they compile."""
    cases = {
        "is not the directory that process 0 has": "fresh",
        "different newest checkpoints": "resumed",
    }
    for message, name in cases.items():
        other = place.runs / f"{name}_of_process_1"
        with Job(place, name, {"training.steps": STEPS}, processes=2) as job:
            if name == "resumed":
                job.finish()
            job.workdirs[1] = other
            job.start()
            assert job.wait() == [1, 1], job.text()[-3000:]
            for index in range(2):
                assert message in job.text(index).splitlines()[-1], job.text(index)[-3000:]
                assert "Compiling" not in job.text(index)
                assert "Traceback" not in job.text(index)
        assert not other.exists()
    return "two processes with two directories, fresh and resumed: both said so before compiling"


def failing_process(place: Place) -> str:
    """An error nobody expects in one process ends all of them; the next start goes on."""
    whole = uninterrupted(place, processes=2)
    took = []
    for error in ("PermissionError", "ZeroDivisionError"):
        changes = {"training.steps": STEPS}
        with Job(place, error, changes, processes=2) as job:
            job.program = (_FAILING, error)
            job.start()
            job.await_text(rf"train\.py: .*{error}|Permission denied", index=1)
            start = time.monotonic()
            statuses = job.wait()
            took.append(time.monotonic() - start)
            assert 0 not in statuses, job.text()[-3000:]
            lines = (LOST, "if another process has ended", "detected fatal errors")
            assert any(words in job.text() for words in lines), job.text()[-3000:]
            job.program = ("train.py",)
            job.finish()
        assert_ended_alike(whole, job.workdir)
    return (
        f"PermissionError and ZeroDivisionError in one of two processes: both ended within "
        f"{max(took):.1f} s (training.process_timeout=100), and then went on to the same end"
    )


def same_directory_twice(place: Place) -> str:
    """The second training names the first; after kill -9 of the first, a third goes on."""
    whole = uninterrupted(place)
    with (
        Job(place, "run", {"training.steps": STEPS}) as first,
        Job(place, "run", {"training.steps": STEPS}) as second,
    ):
        first.start()
        first.await_text(BEGUN)
        first.running[0].send_signal(signal.SIGSTOP)  # it holds the directory and does nothing
        second.starts = 1
        second.start()
        assert second.wait() == [1], second.text()[-3000:]
        holder = f"in use by another training: process {first.running[0].pid} on "
        assert holder in second.text().splitlines()[-1], second.text()[-3000:]
        first.kill()
        second.finish()
    assert_ended_alike(whole, second.workdir)
    return "a second training in one directory: refused, the first named; after kill -9 it went on"

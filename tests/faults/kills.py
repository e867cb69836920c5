"""Processes that are killed: `kill -9` takes effect at any moment."""

import collections
import random
import time

from madf_jax.processes import LOST
from tests.faults.ends import STEPS, assert_ended_alike, uninterrupted
from tests.faults.jobs import BEGUN, Job
from tests.faults.places import Place, remove


def killed_at_random_moments(place: Place, kills: int = 5, seed: int = 0) -> str:
    """kill -9 at random moments, some while a save is under way; every start goes on.

    Each start must resume from the newest checkpoint that was finished before the kill, and the
    end of each run must equal that of one which was never killed.
    """
    rng, steps = random.Random(seed), min(400, 40 + 8 * kills)
    whole = uninterrupted(place, steps)
    counts: collections.Counter[str] = collections.Counter()
    while counts["kills"] < kills:
        name = f"run{counts['runs']}"
        counts["runs"] += 1
        with Job(place, name, {"training.steps": steps}) as job:
            _kill_again_and_again(job, rng, kills, counts)
            job.finish()
        assert_ended_alike(whole, job.workdir, steps)
        counts["restarts"] += 1
        remove(job.workdir)
    assert counts["saves"] >= kills // 5, f"only {counts['saves']} kills met a save"
    return (
        f"{counts['kills']} kill -9, {counts['saves']} of them while a save was under way: all "
        f"{counts['restarts']} restarts went on from the last finished checkpoint, and all "
        f"{counts['runs']} runs ended bit-identical to the uninterrupted one"
    )


def _kill_again_and_again(
    job: Job, rng: random.Random, kills: int, counts: collections.Counter[str]
) -> None:
    newest, wanted_saves = 0, max(1, kills // 4)
    while counts["kills"] < kills:
        _start_and_check(job, newest, counts)
        if not _kill(job, rng, counts["saves"] < wanted_saves):
            return  # it was at its end before
        counts["kills"] += 1
        counts["saves"] += bool(job.unfinished())
        newest = max(job.steps(), default=0)


def _start_and_check(job: Job, newest: int, counts: collections.Counter[str]) -> None:
    job.start()
    if newest == 0:
        return
    begun = job.await_text(BEGUN)
    assert begun, job.text()[-3000:]
    assert int(begun[1] or 0) == newest, f"resumed from {begun[1]} instead of {newest}"
    counts["restarts"] += 1


def _kill(job: Job, rng: random.Random, in_save: bool) -> bool:
    """Kills the job at some moment; False if it ended by itself before."""
    if rng.random() < 0.1:
        time.sleep(rng.uniform(0, 6))  # also while it starts
    else:
        job.await_text(BEGUN)
        if in_save and rng.random() < 0.7:
            job.await_save()
            time.sleep(rng.uniform(0, 0.03))
        else:
            time.sleep(rng.uniform(0, 2))
    if job.running[0].poll() is not None:
        assert job.running[0].returncode == 0, job.text()[-3000:]
        return False
    job.kill()
    return True


def one_of_two_processes_killed(place: Place) -> str:
    """The other one stops with a message instead of waiting forever; both go on after."""
    whole = uninterrupted(place, processes=2)
    with Job(place, "killed", {"training.steps": STEPS}, processes=2) as job:
        job.start()
        job.await_text(BEGUN)
        job.kill(1)
        start = time.monotonic()
        status = job.wait()[0]
        seconds = time.monotonic() - start
        assert status != 0
        # The loop noticed, or a save did, or JAX's own client was first.
        lines = (LOST, "if another process has ended, start all of them", "detected fatal errors")
        assert any(words in job.text() for words in lines), job.text()[-3000:]
        newest = max(job.steps(), default=0)
        job.finish()
        assert newest == 0 or f"Resuming from step {newest}" in job.text()
    assert_ended_alike(whole, job.workdir)
    return (
        f"one of two processes killed: the other stopped with a message and status {status} after "
        f"{seconds:.1f} s; both went on from step {newest} and ended bit-identical"
    )

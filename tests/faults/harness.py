"""Trainings that are killed, stopped, damaged and started again: `make faults KILLS=100`.

Prints a line for each promise and how it was kept; ends with status 1 if one was not.
"""

import argparse
import collections
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from absl import logging

from madf_jax.checkpoints.reading import read_checkpoint
from madf_jax.training.processes import LOST
from tests.faults.jobs import BEGUN, PATIENCE, ROOT, Job
from tests.faults.mistakes import MISTAKES, contents
from tests.trees import assert_identical

STOPPED, STEPS = 75, 80


def assert_ended_alike(one: Path, other: Path, step: int) -> None:
    """Every array of the checkpoints of two runs is the same, bit by bit."""
    states = [read_checkpoint(path / "checkpoints" / str(step)).state for path in (one, other)]
    assert_identical(*states)


def uninterrupted(compiled: Path, steps: int, processes: int = 1) -> Path:
    """The working directory of a run that nothing happened to, made once beside `compiled`."""
    job = Job(compiled.with_name(f"whole_{steps}_{processes}"), compiled, {"training.steps": steps})
    job.processes = processes
    if not job.workdir.exists():
        job.finish()
    return job.workdir


def killed_at_random_moments(folder: Path, compiled: Path, kills: int, seed: int = 0) -> str:
    """kill -9 at random moments, some while a save is under way; every start goes on.

    Each start must resume from the newest checkpoint that was finished before the kill, and the
    end of each run must equal that of one which was never killed.
    """
    rng, steps = random.Random(seed), min(400, 40 + 8 * kills)
    changes = {"training.steps": steps}
    whole = uninterrupted(compiled, steps)
    counts: collections.Counter[str] = collections.Counter()
    wanted_saves = max(1, kills // 4)
    while counts["kills"] < kills:
        job, newest = Job(folder / f"run{counts['runs']}", compiled, changes), 0
        counts["runs"] += 1
        while counts["kills"] < kills and newest < steps:
            _start_and_check(job, newest, counts)
            if not _kill(job, rng, counts["saves"] < wanted_saves):
                break  # it was at its end before
            counts["kills"] += 1
            counts["saves"] += bool(job.unfinished())
            newest = max(job.steps(), default=0)
        job.finish()
        assert_ended_alike(whole, job.workdir, steps)
        counts["restarts"] += 1
        shutil.rmtree(job.workdir)
    assert counts["saves"] >= kills // 5, f"only {counts['saves']} kills met a save"
    return (
        f"{counts['kills']} kill -9, {counts['saves']} of them while a save was under way: all "
        f"{counts['restarts']} restarts went on from the last finished checkpoint, and all "
        f"{counts['runs']} runs ended bit-identical to the uninterrupted one"
    )


def _start_and_check(job: Job, newest: int, counts: collections.Counter[str]) -> None:
    job.start()
    if newest == 0:
        return
    begun = job.await_text(BEGUN)
    assert begun, job.log().read_text()[-3000:]
    assert int(begun[1] or 0) == newest, f"resumed from {begun[1]} instead of {newest}"
    counts["restarts"] += 1


def _kill(job: Job, rng: random.Random, in_save: bool) -> bool:
    """Kills the job at some moment; False if it ended by itself before."""
    if rng.random() < 0.1:
        time.sleep(rng.uniform(0, 6))  # also while it starts
    else:
        job.await_text(BEGUN)
        if in_save and rng.random() < 0.7:
            job.await_save(5)
            time.sleep(rng.uniform(0, 0.03))
        else:
            time.sleep(rng.uniform(0, 2))
    if job.running[0].poll() is not None:
        assert job.running[0].returncode == 0, job.log().read_text()[-3000:]
        return False
    job.kill()
    return True


def stopped_by_a_signal(folder: Path, compiled: Path, processes: int) -> str:
    """SIGTERM saves the step and ends with a status of its own; the next start goes on."""
    changes = {"training.steps": STEPS, "training.checkpoint_every": 1_000_000}
    whole = uninterrupted(compiled, STEPS, processes)
    job = Job(folder / "stopped", compiled, changes, processes)
    job.start()
    job.await_text(BEGUN)
    start = time.monotonic()
    job.running[-1].terminate()
    statuses = job.wait()
    seconds = time.monotonic() - start
    assert statuses == [STOPPED] * processes, job.log().read_text()[-3000:]
    assert seconds < 10, f"took {seconds:.1f} s"
    (saved,) = job.steps()
    assert f"Stopped at step {saved} as asked" in job.log().read_text()
    job.finish()
    assert_ended_alike(whole, job.workdir, STEPS)
    return (
        f"SIGTERM to one of {processes} process(es): checkpoint of step {saved}, status {STOPPED} "
        f"within {seconds:.1f} s; the next start ended bit-identical"
    )


def one_of_two_processes_killed(folder: Path, compiled: Path) -> str:
    """The other one stops with a message instead of waiting for ever; both go on after."""
    whole = uninterrupted(compiled, STEPS, 2)
    job = Job(folder / "killed", compiled, {"training.steps": STEPS}, processes=2)
    job.start()
    job.await_text(BEGUN)
    time.sleep(1)
    job.kill(1)
    start = time.monotonic()
    status = job.running[0].wait(60)
    seconds = time.monotonic() - start
    text = job.log().read_text()
    assert status != 0
    # The loop noticed, or a save did, or JAX's own client was first.
    told = (LOST, "if another process has ended, start all of them again", "detected fatal errors")
    assert any(words in text for words in told), text[-3000:]
    newest = max(job.steps())
    job.finish()
    assert f"Resuming from step {newest}" in job.log().read_text()
    assert_ended_alike(whole, job.workdir, STEPS)
    return (
        f"one of two processes killed: the other stopped with a message and status {status} after "
        f"{seconds:.1f} s; both went on from step {newest} and ended bit-identical"
    )


def damaged_checkpoint(folder: Path, compiled: Path) -> str:
    """It is named, and the one before it is used."""
    whole = uninterrupted(compiled, STEPS)
    job = Job(folder / "damaged", compiled, {"training.steps": STEPS})
    shutil.copytree(whole, job.workdir)
    newest, before = job.steps()[-1], job.steps()[-2]
    files = [p for p in (job.workdir / f"checkpoints/{newest}/state").rglob("*") if p.is_file()]
    largest = max(files, key=lambda path: path.stat().st_size)
    content = bytearray(largest.read_bytes())
    content[len(content) // 2] ^= 0x10
    largest.write_bytes(content)
    job.finish()
    text = job.log().read_text()
    assert f"Checkpoint {newest} in" in text and "is damaged" in text, text[-3000:]
    assert f"Resuming from step {before}" in text
    assert_ended_alike(whole, job.workdir, STEPS)
    return f"checkpoint {newest} damaged: named, {before} used instead, end bit-identical"


def full_disk(folder: Path, compiled: Path) -> str:
    """A save on a full disk stops the run with a message; the last good checkpoint stays."""
    changes = {
        "training.steps": STEPS,
        "training.keep_last": STEPS,
        "training.checkpoint_every": 2,
    }
    with small_disk(folder / "disk", megabytes=20) as disk:
        if disk is None:
            return "full disk: not tried, this user may not mount a small one"
        job = Job(disk / "run", compiled, changes)
        job.log = lambda index=0: folder / f"full{job.starts}.log"  # type: ignore[method-assign]
        job.start()
        (status,) = job.wait()
        text = job.log().read_text()
        assert status == 1, text[-3000:]
        assert "can't be written" in text and "Traceback" not in text, text[-3000:]
        kept = job.steps()
        assert kept, text[-3000:]
        read_checkpoint(job.workdir / "checkpoints" / str(kept[-1]))
        shutil.copytree(job.workdir, folder / "more_room")
    job = Job(folder / "more_room", compiled, changes)
    job.finish()
    assert f"Resuming from step {kept[-1]}" in job.log().read_text()
    assert_ended_alike(uninterrupted(compiled, STEPS), job.workdir, STEPS)
    return (
        f"full disk: stopped with a message, checkpoint {kept[-1]} whole; with room again the run "
        "went on from it and ended bit-identical"
    )


def mistakes(folder: Path, _: Path) -> str:
    """Each is answered by one line that names it, and changes no file."""
    for name, mistake in MISTAKES.items():
        here = folder / name.replace(" ", "_")
        here.mkdir()
        mistake.prepare(here)
        before = contents(here)
        command = [sys.executable, "train.py", f"--workdir={here / 'run'}"]
        done = subprocess.run(
            [*command, *mistake.arguments(here)],
            cwd=ROOT,
            env={**os.environ, "JAX_PLATFORMS": "cpu"},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        lines = [line for line in done.stderr.splitlines() if line.startswith("train.py: ")]
        assert done.returncode == 1 and len(lines) == 1, f"{name}: {done.stderr[-2000:]}"
        assert all(word in lines[0] for word in mistake.named), f"{name}: {lines[0]}"
        assert done.stderr.splitlines()[-1] == lines[0], f"{name}: {done.stderr[-2000:]}"
        assert "Traceback" not in done.stderr, f"{name}: {done.stderr[-2000:]}"
        assert contents(here) == before, name
    return (
        f"{len(MISTAKES)} kinds of bad data and bad config: each one line that names it, status 1, "
        "no file changed"
    )


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path | None]:
    """A file system of so many megabytes at `directory`; None if it can't be had."""
    directory.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(directory)]
    try:
        done = subprocess.run(mount, capture_output=True).returncode
    except OSError:
        done = 1
    if done:
        yield None
        return
    try:
        yield directory
    finally:
        subprocess.run(["umount", str(directory)], check=True)


def main() -> int:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one of the checks, by name")
    args = parser.parse_args()
    checks: dict[str, Callable[[Path, Path], str]] = {
        "kills": lambda *at: killed_at_random_moments(*at, args.kills, args.seed),
        "signal1": lambda *at: stopped_by_a_signal(*at, 1),
        "signal2": lambda *at: stopped_by_a_signal(*at, 2),
        "process": one_of_two_processes_killed,
        "damage": damaged_checkpoint,
        "disk": full_disk,
        "mistakes": mistakes,
    }
    logging.set_verbosity(logging.ERROR)  # Orbax warns of files that its handlers do without
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        for name, check in checks.items():
            if args.only not in (None, name):
                continue
            folder = Path(directory, name)
            folder.mkdir()
            try:
                print("kept:", check(folder, Path(directory, "compiled")), flush=True)
            except Exception as error:  # also what did not end in time
                failed += 1
                print(f"BROKEN: {name}: {error}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())

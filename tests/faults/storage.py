"""What happens to files: damage, full disks, unusual names, pipes without a reader."""

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from madf_jax.checkpoints.reading import read_checkpoint
from madf_jax.training.signals import STOPPED
from tests.faults.ends import STEPS, assert_ended_alike, uninterrupted
from tests.faults.jobs import Job
from tests.faults.places import Place, files_below, refusing


def damaged_checkpoint(place: Place) -> str:
    """It is named, and the one before it is used."""
    with Job(place, "damaged", {"training.steps": STEPS}) as job:
        job.finish()
        newest, before = job.steps()[-1], job.steps()[-2]
        files = files_below(job.workdir / f"checkpoints/{newest}/state")
        largest = max(files, key=lambda path: len(path.read_bytes()))
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 0x10
        largest.write_bytes(content)
        job.finish()
        text = job.text()
    assert f"Checkpoint {newest} in" in text and "is damaged" in text, text[-3000:]
    assert f"Resuming from step {before}" in text
    assert_ended_alike(uninterrupted(place), job.workdir)
    return f"checkpoint {newest} damaged: named, {before} used instead, end bit-identical"


def full_disk(place: Place) -> str:
    """A save on a full disk stops the run with a message; the last good checkpoint stays."""
    changes = {
        "training.steps": STEPS,
        "training.keep_last": STEPS,
        "training.checkpoint_every": 2,
    }
    with small_disk(place.folder / "disk", megabytes=20) as disk:
        if disk is None:
            return "full disk: not tried, this user may not mount a small one"
        with Job(dataclasses.replace(place, runs=disk), "full", changes) as job:
            job.start()
            (status,) = job.wait()
            text = job.text()
            assert status == 1, text[-3000:]
            assert "can't be written" in text and "Traceback" not in text, text[-3000:]
            kept = job.steps()
            assert kept, text[-3000:]
            read_checkpoint(job.workdir / "checkpoints" / str(kept[-1]))
            shutil.copytree(job.workdir, place.runs / "more_room")
    with Job(place, "more_room", changes) as job:
        job.finish()
        assert f"Resuming from step {kept[-1]}" in job.text()
    assert_ended_alike(uninterrupted(place), job.workdir)
    return (
        f"full disk: stopped with a message, checkpoint {kept[-1]} whole; with room again the run "
        "went on from it and ended bit-identical"
    )


def refused_save(place: Place) -> str:
    """A bucket that takes no more objects stops the run; the last good checkpoint stays."""
    refused, kept = 8, 4
    with Job(place, "refused", {"training.steps": STEPS}) as job:
        with refusing(rf"/refused/checkpoints/{refused}/"):
            job.start()
            (status,) = job.wait()
            text = job.text()
        lines = [line for line in text.splitlines() if line.startswith("train.py: ")]
        assert status == 1 and len(lines) == 1, (lines, text[-3000:])
        assert f"the last intact one is step {kept}" in lines[0], lines[0]
        assert "Traceback" not in text, text[text.index("Traceback") :][:3000]
        assert job.steps() == [kept]
        job.finish()
        assert f"Resuming from step {kept}" in job.text()
    assert_ended_alike(uninterrupted(place), job.workdir)
    return (
        f"a bucket that refuses checkpoint {refused}: stopped with a message, checkpoint {kept} "
        "whole; with permission again the run went on from it and ended bit-identical"
    )


def failing_bucket(place: Place) -> str:
    """A bucket that fails for a while is asked again, and the run goes on."""
    with (
        Job(place, "failing", {"training.steps": STEPS}) as job,
        refusing(r"/failing/checkpoints/8/", status=503, times=3) as rule,
    ):
        job.finish()
        assert not rule.exists()
    assert_ended_alike(uninterrupted(place), job.workdir)
    return "a bucket that fails 3 times during a save: the run went on and ended bit-identical"


def unusual_names(place: Place) -> str:
    """A working directory may have any name, also for several processes."""
    whole = uninterrupted(place, processes=2)
    name = r"a[1] *?\ {2} 'b' ü"
    with Job(place, name, {"training.steps": STEPS}, processes=2) as job:
        job.start()
        job.await_text("Saved checkpoint 8")
        job.running[0].terminate()
        assert job.wait() == [STOPPED, STOPPED], job.text()[-3000:]
        stopped = job.steps()[-1]
        job.finish()
        assert f"Resuming from step {stopped}" in job.text()
    assert_ended_alike(whole, job.workdir)
    assert [path for path in place.folder.iterdir() if path.is_dir()] == [job.workdir]
    return f"a working directory named {name!r}: stopped, resumed and ended bit-identical"


def log_without_a_reader(place: Place) -> str:
    """`train.py 2>&1 | head -1`: the training is worth more than its log, and goes on."""
    with Job(place, "piped", {"training.steps": STEPS}) as job:
        reader, writer = os.pipe()
        with open(writer, "wb") as log, open(reader, "rb") as lines:
            job.running = [job.popen(0, 0, log)]
            log.close()  # the process has its own
            assert lines.readline()
        assert job.wait() == [0]
    assert_ended_alike(uninterrupted(place), job.workdir)
    return "a log whose reader has gone: the run went on and ended bit-identical"


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

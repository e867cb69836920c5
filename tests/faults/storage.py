"""What happens to files: damage, full disks, unusual names, pipes without a reader."""

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


def damaged_checkpoint(folder: Path, compiled: Path) -> str:
    """It is named, and the one before it is used."""
    whole = uninterrupted(compiled)
    with Job(folder / "damaged", compiled, {"training.steps": STEPS}) as job:
        shutil.copytree(whole, job.workdir)
        newest, before = job.steps()[-1], job.steps()[-2]
        files = [p for p in (job.workdir / f"checkpoints/{newest}/state").rglob("*") if p.is_file()]
        largest = max(files, key=lambda path: path.stat().st_size)
        content = bytearray(largest.read_bytes())
        content[len(content) // 2] ^= 0x10
        largest.write_bytes(content)
        job.finish()
        text = job.text()
    assert f"Checkpoint {newest} in" in text and "is damaged" in text, text[-3000:]
    assert f"Resuming from step {before}" in text
    assert_ended_alike(whole, job.workdir)
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
        with Job(disk / "run", compiled, changes) as job:
            job.log = lambda index=0: folder / f"full{job.starts}.log"  # type: ignore[method-assign]
            job.start()
            (status,) = job.wait()
            text = job.text()
            assert status == 1, text[-3000:]
            assert "can't be written" in text and "Traceback" not in text, text[-3000:]
            kept = job.steps()
            assert kept, text[-3000:]
            read_checkpoint(job.workdir / "checkpoints" / str(kept[-1]))
            shutil.copytree(job.workdir, folder / "more_room")
    with Job(folder / "more_room", compiled, changes) as job:
        job.finish()
        assert f"Resuming from step {kept[-1]}" in job.text()
    assert_ended_alike(uninterrupted(compiled), job.workdir)
    return (
        f"full disk: stopped with a message, checkpoint {kept[-1]} whole; with room again the run "
        "went on from it and ended bit-identical"
    )


def unusual_names(folder: Path, compiled: Path) -> str:
    """A working directory may have any name, also for several processes."""
    whole = uninterrupted(compiled, processes=2)
    name = r"a[1] *?\ {2} 'b' ü"
    with Job(folder / name, compiled, {"training.steps": STEPS}, processes=2) as job:
        job.start()
        job.await_text("Saved checkpoint 8")
        job.running[0].terminate()
        assert job.wait() == [STOPPED, STOPPED], job.text()[-3000:]
        stopped = job.steps()[-1]
        job.finish()
        assert f"Resuming from step {stopped}" in job.text()
    assert_ended_alike(whole, job.workdir)
    assert [path for path in folder.iterdir() if path.is_dir()] == [job.workdir]
    return f"a working directory named {name!r}: stopped, resumed and ended bit-identical"


def log_without_a_reader(folder: Path, compiled: Path) -> str:
    """`train.py 2>&1 | head -1`: the training is worth more than its log, and goes on."""
    with Job(folder / "piped", compiled, {"training.steps": STEPS}) as job:
        reader, writer = os.pipe()
        with open(writer, "wb") as log, open(reader, "rb") as lines:
            job.running = [job.popen(0, 0, log)]
            log.close()  # the process has its own
            assert lines.readline()
        assert job.wait() == [0]
    assert_ended_alike(uninterrupted(compiled), job.workdir)
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

"""Trainings that are killed, stopped, damaged and started again: `make faults KILLS=100`.

With `BUCKET=1` their working directories lie in a bucket, that of an emulator on this machine.

Prints a line for each promise and how it was kept; ends with status 1 if one was not.
"""

import argparse
import contextlib
import functools
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from absl import logging

from madf_jax.files import AnyPath
from tests.faults.disagreements import failing_process, same_directory_twice, two_directories
from tests.faults.jobs import PATIENCE, ROOT, free_port
from tests.faults.kills import killed_at_random_moments, one_of_two_processes_killed
from tests.faults.mistakes import MISTAKES, contents
from tests.faults.places import Place, emulated_bucket
from tests.faults.stops import (
    second_signal_while_waiting,
    stopped_by_a_signal,
    stopped_while_starting,
)
from tests.faults.storage import (
    damaged_checkpoint,
    failing_bucket,
    full_disk,
    log_without_a_reader,
    refused_save,
    unusual_names,
)

_TERM, _INT = signal.SIGTERM, signal.SIGINT
Check = Callable[[Place], str]
ANYWHERE: dict[str, Check] = {
    "kills": killed_at_random_moments,
    "sigterm": functools.partial(stopped_by_a_signal, processes=1, number=_TERM),
    "sigterm_of_two": functools.partial(stopped_by_a_signal, processes=2, number=_TERM),
    "sigint_of_two": functools.partial(stopped_by_a_signal, processes=2, number=_INT),
    "starting": stopped_while_starting,
    "waiting": second_signal_while_waiting,
    "process": one_of_two_processes_killed,
    "failing": failing_process,
    "directories": two_directories,
    "twice": same_directory_twice,
    "damage": damaged_checkpoint,
}
"""Promises of a working directory, by name. Each check gets a place of its own."""

ON_A_DISK: dict[str, Check] = {
    **ANYWHERE,
    "disk": full_disk,
    "names": unusual_names,
    "pipe": log_without_a_reader,
}
IN_A_BUCKET: dict[str, Check] = {
    **ANYWHERE,
    "refused": refused_save,
    "bucket": failing_bucket,
}


def mistakes(place: Place) -> str:
    """Each is answered by one line that names it, and changes no file."""
    for name, mistake in MISTAKES.items():
        here = place.folder / name.replace(" ", "_")
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


def main() -> int:
    """Runs everything."""
    # What runs in the background ignores it, and so would the trainings.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one of the checks, by name")
    parser.add_argument("--bucket", action="store_true", help="working directories in a bucket")
    args = parser.parse_args()
    kills = functools.partial(killed_at_random_moments, kills=args.kills, seed=args.seed)
    checks = IN_A_BUCKET if args.bucket else {**ON_A_DISK, "mistakes": mistakes}
    logging.set_verbosity(logging.ERROR)  # Orbax warns of files that its handlers do without
    failed = 0
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        root: AnyPath = directory
        if args.bucket:
            root = stack.enter_context(emulated_bucket(directory / "emulator.log", free_port()))
        for name, check in {**checks, "kills": kills}.items():
            if args.only not in (None, name):
                continue
            place = Place(directory / name, directory / "compiled", root / name)
            place.folder.mkdir()
            try:
                print("kept:", check(place), flush=True)
            except Exception as error:  # also what did not end in time
                failed += 1
                print(f"BROKEN: {name}: {error}", flush=True)
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())

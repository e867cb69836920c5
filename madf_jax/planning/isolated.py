"""Running a function in a process of its own, so that a crash in it can be reported.

The compilers for TPUs and GPUs are closed libraries that sometimes crash on a large step and take
their process with them.
"""

import multiprocessing
import os
import pickle
import re
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from madf_jax.errors import UserError

Result = TypeVar("Result")

_POLL_INTERVAL = 0.2  # seconds


def run_in_subprocess(
    function: Callable[..., Result],
    *args: Any,
    environment: Mapping[str, str] | None = None,
    poll_result: Callable[[], Result | None] = lambda: None,
) -> Result:
    """Calls a function in a fresh process and returns or raises what it does.

    Its stderr is printed when it ends, but not after a crash: that is a dump of addresses.

    Args:
        function: defined at the top level of a module.
        args: its arguments, which must pickle.
        environment: variables set in the process before it imports what `function` needs.
        poll_result: called again and again meanwhile, in this process; once it returns a result,
            that is returned and the fresh process is killed.

    Raises:
        UserError: the process crashed or was killed.
    """
    spawn = multiprocessing.get_context("spawn")
    receiver, sender = spawn.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as directory:
        errors = Path(directory, "stderr")
        errors.touch()
        call = (sender, errors, dict(environment or {}), pickle.dumps((function, args)))
        process = spawn.Process(target=_call, args=call, daemon=True)
        process.start()
        sender.close()  # so that only the process keeps it open, and its death ends `recv`
        try:
            while not receiver.poll(_POLL_INTERVAL):
                if (found := poll_result()) is not None:
                    return found
            succeeded, result = receiver.recv()
            process.join()
        except EOFError:
            process.join()
            raise UserError(_explain(process.exitcode or 0, errors)) from None
        finally:
            process.kill()  # after Ctrl-C: a compiler does not react to it
            process.join()
        if not succeeded:
            raise result
        sys.stderr.write(errors.read_text(errors="replace"))
    return result


def _call(sender: Connection, errors: Path, environment: Mapping[str, str], pickled: bytes) -> None:
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with errors.open("a") as file:
        os.dup2(file.fileno(), 2)  # what C++ writes, too
    try:
        function, args = pickle.loads(pickled)  # imports JAX, which reads the environment
        outcome = True, function(*args)
        sys.stdout.flush()
    except Exception as error:  # whatever it is, it is raised in the other process
        outcome = False, error
    sender.send(outcome)


def _end_with_parent() -> None:
    """Ends this process once the one that waits for it was killed: nobody needs the result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _explain(exitcode: int, errors: Path) -> str:
    """One line on why a process ended without a result; negative exit codes are signals."""
    dump = errors.read_text(errors="replace").strip()
    if exitcode == -signal.SIGKILL:
        return (
            "the compiler was killed: this machine has probably too little memory for it (a step "
            "of 512x512 takes up to 15 GB)"
        )
    if exitcode >= 0:
        return f"the compiler's process failed: {(dump or 'no message').splitlines()[-1]}"
    found = re.search(r"\*\*\* (SIG[A-Z ]+)", dump)
    name = found[1].strip() if found else signal.Signals(-exitcode).name
    return (
        f"the compiler itself crashed with {name}, which is not a mistake in the config; try "
        "another network.dtype or another version of the compiler"
    )

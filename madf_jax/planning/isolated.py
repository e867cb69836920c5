"""Running a function in a process of its own, so that a crash in it can be told.

The compilers for TPUs and GPUs are closed libraries that now and then crash on a large step, and
take their process with them.
"""

import multiprocessing
import os
import re
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from madf_jax.errors import UserError

Result = TypeVar("Result")


def run_apart(function: Callable[..., Result], *args: Any, **options: Any) -> Result:
    """Calls a function in a fresh process; what it raises is raised here.

    What it writes to stderr is shown at its end, and left out if it crashed: a dump of addresses.

    Args:
        function: of a module, by its name there.
        args: for it; anything that can be pickled.
        options: likewise, by name.

    Returns:
        What the function returns.

    Raises:
        UserError: the process crashed, or something killed it.
    """
    with tempfile.TemporaryDirectory() as directory:
        errors = Path(directory, "stderr")
        errors.touch()
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(1, spawn, _tell_errors_in, (errors,)) as pool:
            try:
                result = pool.submit(function, *args, **options).result()
            except BrokenProcessPool:
                dump = errors.read_text(errors="replace")
                found = re.search(r"\*\*\* (SIG[A-Z ]+)", dump)
                if found is None:
                    raise UserError(
                        "the compiler was ended from outside: this machine has probably too little "
                        "memory for it (a step of 512x512 takes up to 15 GB)"
                    ) from None
                raise UserError(
                    f"the compiler itself crashed with {found[1].strip()}, which is no mistake of "
                    "the config; another network.dtype or version of the compiler may do"
                ) from None
        sys.stderr.write(errors.read_text(errors="replace"))
        return result


def _tell_errors_in(path: Path) -> None:
    """Sends all that this process writes to stderr, also from C++, to a file."""
    with path.open("a") as file:
        os.dup2(file.fileno(), 2)

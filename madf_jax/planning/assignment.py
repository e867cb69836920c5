"""The memory of a program as soon as XLA has assigned it.

Most of a compilation, minutes to an hour for a step of 512x512, is spent on what comes after that.
"""

import functools
import math
import os
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from madf_jax.errors import UserError
from madf_jax.planning.isolated import run_in_subprocess
from madf_jax.planning.plan import TooLarge

_PROGRAMS = "train_step|_fun"  # the second is what every program of pmap is called


def assigned_memory(compile_program: Callable[..., object], *args: Any) -> float:
    """Compiles in a process of its own until the memory of the program is assigned.

    Args:
        compile_program: compiles one program named 'train_step', or one that is mapped by pmap;
            defined at the top level of a module.
        args: its arguments, which must pickle.

    Returns:
        Bytes of arguments, results and temporaries on a device; infinite if the compiler refuses
        the program before they are assigned.

    Raises:
        UserError: the compiler does not report them, or `compile_program` raises it.
    """
    with tempfile.TemporaryDirectory() as name:
        read_report = functools.partial(_read_report, Path(name))
        flags = f'--xla_dump_to="{name}" --xla_dump_hlo_module_re=jit_({_PROGRAMS})'
        environment = {
            "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}",
            "JAX_ENABLE_COMPILATION_CACHE": "false",  # from there, a program comes without a report
        }
        try:
            run_in_subprocess(
                compile_program, *args, environment=environment, poll_result=read_report
            )
        except TooLarge:
            return read_report() or math.inf
        assigned = read_report()
    if assigned is None:
        raise UserError("this compiler does not report memory early: try batches without --search")
    return assigned


def _read_report(directory: Path) -> float | None:
    """What XLA has written about its main memory (of color 0), if it has."""
    for path in directory.glob("*memory-usage-report.txt"):
        found = re.search(r"\(color=0\)\s+Total bytes: (\d+) ", path.read_text(errors="replace"))
        if found:
            return float(found[1])
    return None

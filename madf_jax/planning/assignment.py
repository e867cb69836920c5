"""The memory of a program as soon as XLA has assigned it.

Most of a compilation, minutes to an hour for a step of 512x512, is spent on what comes after that.
"""

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


def assigned_memory(compile_step: Callable[..., object], *args: Any) -> float:
    """Compiles in a process of its own until the memory of the program is assigned.

    Args:
        compile_step: compiles one program with 'train_step' in its name; defined at the top level
            of a module.
        args: its arguments, which must pickle.

    Returns:
        Bytes of arguments, results and temporaries on a device; infinite if the compiler refuses
        the program before they are assigned.

    Raises:
        UserError: the compiler does not report them, or `compile_step` raises it.
    """
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)

        def reported() -> float | None:
            return _reported(directory)

        flags = f"--xla_dump_to={directory} --xla_dump_hlo_module_re=train_step"
        environment = {
            "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}",
            "JAX_ENABLE_COMPILATION_CACHE": "false",  # what lies there is not compiled again
        }
        try:
            run_in_subprocess(compile_step, *args, environment=environment, early=reported)
        except TooLarge:
            return reported() or math.inf
        assigned = reported()
    if assigned is None:
        raise UserError("this compiler does not report memory early: try batches without --search")
    return assigned


def _reported(directory: Path) -> float | None:
    """What XLA has written about its main memory (of color 0), if it has."""
    for path in directory.glob("*memory-usage-report.txt"):
        found = re.search(r"\(color=0\)\s+Total bytes: (\d+) ", path.read_text(errors="replace"))
        if found:
            return float(found[1])
    return None

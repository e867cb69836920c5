"""Compiling programs: the work and memory that XLA counts for one, and a cache for later starts."""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jax
from jax.experimental.compilation_cache import compilation_cache

from madf_jax.files import AnyPath, absolute


@dataclasses.dataclass(frozen=True)
class Costs:
    """What a compiled program needs on each device, as the compiler counts it.

    Attributes:
        flop: arithmetic operations of a run; the body of a loop is counted once. 0 if the compiler
            does not count them, as for GPUs.
        arguments: bytes of arguments.
        results: bytes of results.
        outputs: bytes of those results that do not reuse the memory of arguments.
        temporaries: bytes.
        program: bytes of code.
        seconds: to trace and compile.
    """

    flop: float
    arguments: int
    results: int
    outputs: int
    temporaries: int
    program: int
    seconds: float

    @property
    def memory(self) -> int:
        """Bytes in all."""
        return self.arguments + self.outputs + self.temporaries + self.program


def compile_counted(
    lower: Callable[[], jax.stages.Lowered], options: Mapping[str, Any] | None = None
) -> tuple[jax.stages.Compiled, Costs]:
    """Traces and compiles a program.

    Args:
        lower: traces it, such as `lambda: jax.jit(function).lower(*arguments)`.
        options: of XLA's compiler.
    """
    start = time.perf_counter()
    compiled = lower().compile(compiler_options=dict(options or {}))
    seconds = time.perf_counter() - start
    work = compiled.cost_analysis() or {}
    memory: Any = compiled.memory_analysis()
    counts = (0, 0, 0, 0, 0)
    if memory is not None:
        counts = (
            memory.argument_size_in_bytes,
            memory.output_size_in_bytes,
            memory.output_size_in_bytes - memory.alias_size_in_bytes,
            memory.temp_size_in_bytes,
            memory.generated_code_size_in_bytes,
        )
    return compiled, Costs(work.get("flops", 0.0), *counts, seconds=seconds)


@contextlib.contextmanager
def persistent_compilation_cache(directory: AnyPath | None) -> Iterator[None]:
    """Keeps what is compiled meanwhile in a directory, and looks for it there first.

    Args:
        directory: made if need be; it may be moved or copied. None leaves JAX's own settings as
            they are.
    """
    if directory is None:
        yield
        return
    settings = {
        "jax_compilation_cache_dir": str(absolute(directory)),
        "jax_persistent_cache_min_compile_time_secs": 1.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
        # Else caches of XLA lie in the directory, too, and its path becomes a part of every key.
        "jax_persistent_cache_enable_xla_caches": None,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()

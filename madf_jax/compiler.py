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
            _temporaries(memory, on_tpu=_is_for_tpus(compiled)),
            memory.generated_code_size_in_bytes,
        )
    return compiled, Costs(work.get("flops", 0.0), *counts, seconds=seconds)


def _is_for_tpus(compiled: jax.stages.Compiled) -> bool:
    shardings = jax.tree.leaves((compiled.input_shardings, compiled.output_shardings))
    return any(device.platform == "tpu" for each in shardings for device in each.device_set)


def _temporaries(memory: Any, *, on_tpu: bool) -> int:
    """Bytes of the block that holds all temporaries.

    For TPUs, XLA reports this block and, once more, the gaps in it; its peak is what is in use at
    once, arguments and results included, without the gaps. The block lies halfway.
    """
    reported: int = memory.temp_size_in_bytes
    kept = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    in_use = memory.peak_memory_in_bytes - kept
    if not on_tpu or not 0 < in_use < reported:
        return reported
    return (reported + in_use) // 2


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

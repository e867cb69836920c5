"""What the compiler counts, for programs whose costs are known; programs kept for later starts."""

import shutil
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from madf_jax.compiler import _temporaries, compile_counted, persistent_compilation_cache

SIDE = 64
BYTES = 4 * SIDE**2


def test_a_matmul_is_counted():
    a = jnp.ones((SIDE, SIDE))
    compiled, costs = compile_counted(lambda: jax.jit(jnp.matmul).lower(a, a))
    assert compiled(a, a)[0, 0] == SIDE
    assert costs.flop == 2 * SIDE**3
    assert (costs.arguments, costs.results, costs.outputs) == (2 * BYTES, BYTES, BYTES)
    assert costs.memory == 3 * BYTES + costs.temporaries + costs.program
    assert costs.seconds > 0


def test_a_result_in_the_memory_of_an_argument_is_not_counted():
    double = jax.jit(lambda a: 2 * a, donate_argnums=0)
    _, costs = compile_counted(lambda: double.lower(jnp.ones((SIDE, SIDE))))
    assert (costs.arguments, costs.results, costs.outputs) == (BYTES, BYTES, 0)


@pytest.mark.parametrize(
    ("arguments", "aliased", "reported", "peak", "assigned"),
    [
        (135_102_464, 0, 6_925_182_464, 5_766_851_584, 6_278_021_632),
        (135_102_464, 884_736, 6_388_505_088, 5_765_966_848, 6_009_684_480),
    ],
)
def test_gaps_between_temporaries_are_counted_once_for_a_tpu(
    arguments, aliased, reported, peak, assigned
):
    """As recorded for a v5e, with the block that XLA's dump says was assigned."""
    memory = SimpleNamespace(
        argument_size_in_bytes=arguments,
        output_size_in_bytes=885_248,
        alias_size_in_bytes=aliased,
        temp_size_in_bytes=reported,
        peak_memory_in_bytes=peak,
    )
    assert _temporaries(memory, on_tpu=True) == pytest.approx(assigned, rel=1e-6)
    assert _temporaries(memory, on_tpu=False) == reported
    memory.peak_memory_in_bytes = 0  # not reported
    assert _temporaries(memory, on_tpu=True) == reported


def compile_small(directory):
    """Compiles a program as a new process would, with a cache in `directory`."""
    jax.clear_caches()
    with persistent_compilation_cache(directory):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.jit(lambda x: x * 3 + 1)(np.ones(3))


def test_programs_are_kept_only_where_and_while_asked(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    with persistent_compilation_cache(None):
        assert jax.config.jax_compilation_cache_dir == before
    compile_small(tmp_path / "compiled")
    assert jax.config.jax_compilation_cache_dir == before
    assert any((tmp_path / "compiled").iterdir())


def test_a_copied_cache_is_used(tmp_path):
    compile_small(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    before = sorted(path.name for path in (tmp_path / "two").glob("*-cache"))
    assert before
    compile_small(tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "two").glob("*-cache")) == before

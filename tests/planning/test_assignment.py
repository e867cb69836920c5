"""Memory that the compiler has assigned, against programs whose memory is known."""

import importlib.util
import math
import time

import jax
import jax.numpy as jnp
import pytest

from madf_jax.compiler import compile_counted
from madf_jax.errors import UserError
from madf_jax.planning.assignment import assigned_memory
from madf_jax.planning.chips import devices_of
from madf_jax.planning.environment import use_compiler
from madf_jax.planning.isolated import run_in_subprocess
from madf_jax.planning.plan import TooLarge

SIDE = 1024
LONG = 600  # seconds
needs_tpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="needs the extra [tpu]"
)


@pytest.fixture(autouse=True)
def optimized(monkeypatch):
    """Without the tests' own flags, with which a CPU's compiler reports nothing."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)


def compile_elementwise(seconds):
    """A program of 4 MiB of arguments and 4 MiB of results, which may take a while."""

    def train_step(a):
        return 2 * a + 1

    jax.jit(train_step).lower(jax.ShapeDtypeStruct((SIDE, SIDE), jnp.float32)).compile()
    time.sleep(seconds)


def compile_mapped():
    """The same, mapped over one device."""

    def train_step(a):
        return 2 * a + 1

    mapped = jax.pmap(train_step, devices=jax.devices()[:1])
    mapped.lower(jax.ShapeDtypeStruct((1, SIDE, SIDE), jnp.float32)).compile()


def compile_nothing():
    pass


def refuse():
    raise TooLarge("RESOURCE_EXHAUSTED")


@pytest.mark.parametrize("seconds", [0, LONG])
def test_arguments_and_results_are_found_before_the_compiler_ends(seconds):
    start = time.monotonic()
    assert assigned_memory(compile_elementwise, seconds) == 2 * 4 * SIDE**2
    assert time.monotonic() - start < LONG / 2


def test_a_program_of_pmap_is_found():
    assert assigned_memory(compile_mapped) == 2 * 4 * SIDE**2


def test_the_directory_of_temporary_files_may_have_a_space(tmp_path, monkeypatch):
    directory = tmp_path / "temporary files"
    directory.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(directory))
    assert assigned_memory(compile_elementwise, 0) == 2 * 4 * SIDE**2


def test_a_compiler_that_does_not_report_is_one_line():
    with pytest.raises(UserError, match="without --search"):
        assigned_memory(compile_nothing)


def test_a_program_that_is_refused_needs_more_than_there_is():
    assert assigned_memory(refuse) == math.inf


def compile_for_a_tpu():
    """Convolutions and their gradients, whose temporaries leave gaps: what the compiler counts."""
    use_compiler("tpu")
    _, devices = devices_of("v5e:1x1", None)
    place = jax.sharding.SingleDeviceSharding(devices[0])

    def train_step(kernels, x):
        def loss(kernels):
            y = x
            for kernel in kernels:
                dimensions = ("NHWC", "HWIO", "NHWC")
                y = jax.lax.conv_general_dilated(
                    y, kernel, (1, 1), "SAME", dimension_numbers=dimensions
                )
                y = jax.nn.relu(y)
                y -= y.mean((0, 1, 2))
            return (y.astype(jnp.float32) ** 2).mean()

        return jax.grad(loss)(kernels)

    step = jax.jit(train_step, donate_argnums=0)
    kernel = jax.ShapeDtypeStruct((3, 3, 64, 64), jnp.bfloat16, sharding=place)
    x = jax.ShapeDtypeStruct((4, 512, 512, 64), jnp.bfloat16, sharding=place)
    return compile_counted(lambda: step.lower([kernel] * 6, x))[1]


@pytest.mark.slow
@needs_tpu
def test_what_is_counted_at_the_end_for_a_tpu_is_what_was_assigned():
    costs = run_in_subprocess(compile_for_a_tpu)
    assert costs.temporaries > 5e9
    assert costs.memory - costs.program == pytest.approx(
        assigned_memory(compile_for_a_tpu), rel=1e-4
    )

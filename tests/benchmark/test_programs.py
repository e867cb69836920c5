"""The programs compute what their names say, at sizes that take seconds."""

import jax
import numpy as np
import pytest

from madf_jax.benchmark import programs
from madf_jax.benchmark.machine import describe_machine
from madf_jax.network import MADF


@pytest.fixture
def narrow(monkeypatch):
    def network(**options):
        sizes = {"depth": 3, "refinements": 1, "widths": (4, 6), "skip_widths": (6, 8)}
        return MADF(**sizes, mask_width=3, norm_hidden=4, **options)

    monkeypatch.setattr(programs, "MADF", network)


def test_the_network_program_returns_every_output(narrow):
    program = programs.network_program(16, 2, "float32")
    assert [output.shape for output in program.run()] == [(2, 16, 16, 3)] * 2
    assert min(program.costs.flop, program.costs.seconds) > 0


def test_both_forms_of_dynamic_filtering_are_the_same_function():
    first, second = (
        programs.dynamic_filter_program(form, 16, 1, "float32").run()
        for form in ("factored", "patches")
    )
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_the_training_program_carries_its_state_from_run_to_run(narrow):
    program = programs.train_program(programs.train_setup(16, 1, "float32"))
    for taken in (1, 2):
        state, metrics = program.run()
        assert int(state.step) == taken
    assert {"valid", "hole", "tv"} <= metrics.keys()
    assert not {"perceptual", "style"} & metrics.keys()


def test_the_machine_is_described_with_its_matmul_rate():
    machine = describe_machine("float32")
    assert machine["matmul_gflops"] > 1
    assert machine["versions"]["jax"] == jax.__version__

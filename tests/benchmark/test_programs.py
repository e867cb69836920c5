"""What is measured is what it claims to be, at a size that takes seconds."""

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


def test_inference_gives_every_output(narrow):
    program = programs.network_program(16, 2, "float32")
    assert [output.shape for output in program.run()] == [(2, 16, 16, 3)] * 2
    assert min(program.flop, program.compile_seconds) > 0


def test_both_forms_of_dynamic_filtering_are_the_same_function():
    first, second = (
        programs.dynamic_filter_program(form, 16, 1, "float32").run()
        for form in ("factored", "patches")
    )
    np.testing.assert_allclose(first, second, rtol=1e-3, atol=1e-3)


def test_training_goes_on_from_step_to_step(narrow):
    program = programs.train_program(programs.train_setup(16, 1, "float32"))
    for taken in (1, 2):
        state, metrics = program.run()
        assert int(state.step) == taken
    assert {"valid", "hole", "tv"} <= metrics.keys()
    assert not {"perceptual", "style"} & metrics.keys()


def test_the_machine_tells_its_rate():
    machine = describe_machine("float32")
    assert machine["matrix_product_gflops"] > 1
    assert machine["versions"]["jax"] == jax.__version__

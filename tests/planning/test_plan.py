"""Plans from what a compiler counts, and the few compilations of a search."""

import math
import pickle

import jax
import pytest

from madf_jax.compiler import Costs
from madf_jax.config.sections import from_config
from madf_jax.errors import UserError
from madf_jax.planning import compile as compiling
from madf_jax.planning.chips import CHIPS, Chip, chip_of
from madf_jax.planning.compile import format_plan
from madf_jax.planning.plan import Plan, TooLarge, largest, make_plan
from madf_jax.training.parallel import data_mesh
from madf_jax.training.program import make_program
from tests.narrow import narrow_config


@pytest.mark.parametrize("capacity", [5, 10, 11, 60, 105, 4095, 4096])
@pytest.mark.parametrize("refused_above", [math.inf, 37])
def test_the_search_finds_the_largest_that_fits_in_few_trials(capacity, refused_above):
    tried = []

    def needed(batch):
        tried.append(batch)
        return 3 + 7 * batch if batch <= refused_above else math.inf

    fits = [batch for batch in range(1, 600) if needed(batch) <= capacity]
    tried.clear()
    assert largest(needed, capacity) == max(fits, default=0)
    assert len(tried) <= 14
    assert len(set(tried)) == len(tried)


def test_the_search_finds_the_largest_where_memory_is_not_linear():
    def needed(batch):
        return 10 + batch**1.3

    assert largest(needed, 200) == max(batch for batch in range(99) if needed(batch) <= 200)


def test_the_search_needs_few_trials_where_the_slope_jumps():
    tried = []

    def needed(batch):
        tried.append(batch)
        return batch * (1.9 if batch < 39_000 else 1.7 if batch < 43_000 else 2.1)

    assert largest(needed, 80_000) == 42_999
    assert len(tried) <= 20


def setup_of(**changes):
    return from_config(narrow_config(**{"training.batch_size": 6, **changes}))


@pytest.mark.slow
def test_a_plan_is_what_the_compiler_counted():
    """For CPU devices: the compilers for TPUs and GPUs are not in every environment."""
    chip = Chip("slow", flops=2e6, float32_flops=1e6, bandwidth=1e6, memory=10**9)
    plan = make_plan(setup_of(), chip, jax.devices()[:2], batch=3)
    costs = plan.costs
    parts = (costs.arguments, costs.outputs, costs.temporaries, costs.program)
    assert (plan.devices, plan.batch, costs.memory) == (2, 3, sum(parts))
    assert min(costs.arguments, costs.temporaries, costs.flop) > 0
    assert plan.arithmetic == pytest.approx(costs.flop / 1e6)
    assert plan.traffic == pytest.approx((costs.arguments + costs.results) / 1e6)
    assert plan.floor == max(plan.arithmetic, plan.traffic)
    assert plan.fits
    assert "slow, 2 devices, 3 images on each" in format_plan(plan)


@pytest.mark.slow
def test_the_state_is_read_once_and_written_once():
    """Parameters, statistics and Adam's moments: less can't be, and nothing else is a bound."""
    chip = Chip("slow", flops=1e18, float32_flops=1e18, bandwidth=1.0, memory=10**9)
    setup = setup_of()
    plan = make_plan(setup, chip, jax.devices()[:1], batch=6)
    state = make_program(setup, data_mesh(jax.devices()[:1])).abstract_state()
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(state))
    images = 6 * setup.data.size**2 * 4
    assert 2 * size + images <= plan.floor < 2 * size + images + 4096  # the metrics


@pytest.mark.parametrize(
    ("arithmetic", "traffic", "line"),
    [(0.004, 0.001, "at least 4.00 ms, at most 100%"), (0.001, 0.004, "4.00 ms, at most 25%")],
)
def test_the_larger_of_both_bounds_is_printed(arithmetic, traffic, line):
    costs = Costs(1e12, 4 * 10**8, 4 * 10**8, 0, 0, 0, seconds=3.0)
    assert line in format_plan(Plan(CHIPS["v5e"], 1, 1, costs, arithmetic, traffic))


def test_without_a_count_of_operations_traffic_is_the_bound():
    costs = Costs(0.0, 4 * 10**8, 4 * 10**8, 0, 0, 0, seconds=3.0)
    printed = format_plan(Plan(CHIPS["h100"], 1, 1, costs, 0.0, 0.004))
    assert "arithmetic  not counted" in printed and "at least 4.00 ms\n" in printed


@pytest.mark.slow
def test_bfloat16_has_the_higher_peak_of_the_chip():
    chip = Chip("slow", flops=2e3, float32_flops=1e3, bandwidth=1e12, memory=1)
    setup = setup_of(**{"network.dtype": "bfloat16"})
    plan = make_plan(setup, chip, jax.devices()[:1], batch=1)
    assert plan.arithmetic == pytest.approx(plan.costs.flop / 2e3)
    assert not plan.fits


@pytest.fixture
def in_this_process(monkeypatch):
    """Compilations of a chip that holds four images, in this process; the batches compiled."""
    compiled = []

    def plan(_, chip, devices, batch):
        compiled.append(batch)
        if batch > 4:
            raise TooLarge("RESOURCE_EXHAUSTED: too large")
        costs = Costs(1e12, batch * 10**9, 0, 0, 0, 12 * 10**9, seconds=3.0)
        return Plan(chip, len(devices), batch, costs, arithmetic=0.1, traffic=0.1)

    def assigned(plan_for, batch):
        return batch * 10**9

    monkeypatch.setattr(compiling, "devices_of", lambda *_: (CHIPS["v5e"], [None] * 4))
    monkeypatch.setattr(compiling, "make_plan", plan)
    monkeypatch.setattr(compiling, "run_in_subprocess", lambda function, *args: function(*args))
    monkeypatch.setattr(compiling, "assigned_memory", assigned)
    return compiled


def test_a_batch_that_does_not_divide_is_rounded_up_and_reported(in_this_process, capsys):
    assert compiling.compile_step(setup_of(), "v5e:2x2", None, search=False) == 0
    assert in_this_process == [2]
    printed = capsys.readouterr().out
    assert "batch_size=6 is not divisible by 4 devices: compiling for 2 per device, 8" in printed


def test_the_largest_batch_is_compiled_and_nothing_else_that_was_tried(in_this_process, capsys):
    assert compiling.compile_step(setup_of(), "v5e:2x2", None, search=True) == 0
    printed = capsys.readouterr().out
    assert "batch 1 per device: 1.00 GB assigned" in printed
    assert "largest batch per device that fits: 4" in printed
    assert in_this_process == [2, 4]
    assert "4 images on each" in printed


def test_a_batch_that_was_assigned_but_does_not_fit_with_its_program_is_not_the_answer(
    in_this_process, capsys
):
    setup = setup_of(**{"training.batch_size": 80})
    assert compiling.compile_step(setup, "v5e:2x2", None, search=True) == 1
    assert in_this_process == [20, *range(16, 3, -1)]
    assert capsys.readouterr().out.endswith("largest batch per device that fits: 4\n")


def test_a_search_keeps_to_whole_micro_batches(in_this_process, capsys):
    setup = setup_of(**{"training.accumulate_steps": 3})
    assert compiling.compile_step(setup, "v5e:2x2", None, search=True) == 0
    assert "largest batch per device that fits: 3" in capsys.readouterr().out
    assert in_this_process == [3]


def test_a_step_that_the_compiler_refuses_is_reported(in_this_process, capsys):
    setup = setup_of(**{"training.batch_size": 20})
    assert compiling.compile_step(setup, "v5e:2x2", None, search=False) == 1
    assert "does not fit in 16.9 GB: RESOURCE_EXHAUSTED" in capsys.readouterr().out


def test_the_sections_reach_the_process_that_compiles():
    setup = setup_of()
    assert pickle.loads(pickle.dumps(setup)) == setup


@pytest.mark.parametrize("topology", ["v5e", "v9:2x2", "h100:1x1", "v5e:axb"])
def test_an_unknown_topology_is_refused_with_an_example(topology):
    with pytest.raises(UserError, match=r"use CHIP:SIDES, like v5e:4x4, with one of v4, v5e, v5p"):
        chip_of(topology, None)


@pytest.mark.parametrize("target", ["a100", "h100:0", "h100:x", "h100:", "h100:8x2"])
def test_an_unknown_gpu_is_refused_with_an_example(target):
    with pytest.raises(UserError, match="use h100, or h100:8 for eight in one host"):
        chip_of(None, target)

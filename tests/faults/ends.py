"""Runs that nothing happened to, and whether another run ended like one of them."""

from pathlib import Path

from madf_jax.checkpoints.reading import read_checkpoint
from tests.faults.jobs import Job
from tests.trees import assert_identical

STEPS = 80


def uninterrupted(compiled: Path, steps: int = STEPS, processes: int = 1) -> Path:
    """The working directory of a run that nothing happened to, made once beside `compiled`."""
    workdir = compiled.with_name(f"whole_{steps}_{processes}")
    if not workdir.exists():
        with Job(workdir, compiled, {"training.steps": steps}, processes) as job:
            job.finish()
    return workdir


def assert_ended_alike(one: Path, other: Path, step: int = STEPS) -> None:
    """Every array of the checkpoints of two runs is the same, bit by bit."""
    states = [read_checkpoint(path / "checkpoints" / str(step)).state for path in (one, other)]
    assert_identical(*states)

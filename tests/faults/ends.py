"""Runs that nothing happened to, and whether another run ended like one of them."""

from madf_jax.checkpoints.reading import read_checkpoint
from madf_jax.files import AnyPath
from tests.faults.jobs import Job
from tests.faults.places import Place
from tests.trees import assert_identical

STEPS = 80


def uninterrupted(place: Place, steps: int = STEPS, processes: int = 1) -> AnyPath:
    """The working directory of a run that nothing happened to, made once, always on a disk."""
    name = f"whole_{steps}_{processes}"
    with Job(place.shared(), name, {"training.steps": steps}, processes) as job:
        if not job.workdir.exists():
            job.finish()
    return job.workdir


def assert_ended_alike(one: AnyPath, other: AnyPath, step: int = STEPS) -> None:
    """Every array of the checkpoints of two runs is the same, bit by bit."""
    states = [read_checkpoint(path / "checkpoints" / str(step)).state for path in (one, other)]
    assert_identical(*states)

"""The harness on a few kills; `make faults KILLS=100` does more of them."""

import functools

import pytest

from tests.faults.harness import IN_A_BUCKET, ON_A_DISK
from tests.faults.jobs import free_port
from tests.faults.kills import killed_at_random_moments
from tests.faults.places import Place, emulated_bucket

pytestmark = pytest.mark.slow
QUICK = {
    "kills": functools.partial(killed_at_random_moments, kills=2),
    **{name: IN_A_BUCKET[name] for name in ("sigterm", "twice", "damage", "refused", "bucket")},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs")


@pytest.fixture(scope="module")
def bucket(folder):
    with emulated_bucket(folder / "emulator.log", free_port()) as bucket:
        yield bucket


@pytest.mark.parametrize("name", ON_A_DISK)
def test_a_promise_is_kept(name, folder):
    here = folder / name
    here.mkdir()
    outcome = ON_A_DISK[name](Place(here, folder / "compiled", here))
    print(outcome)
    if "not tried" in outcome:
        pytest.skip(outcome)


@pytest.mark.parametrize("name", QUICK)
def test_a_promise_is_kept_in_a_bucket(name, folder, bucket):
    place = Place(folder / f"{name}_in_bucket", folder / "compiled", bucket / name)
    print(QUICK[name](place))

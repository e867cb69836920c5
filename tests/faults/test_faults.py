"""The harness on a few kills; `make faults KILLS=100` does more of everything."""

import pytest

from tests.faults import harness

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs") / "compiled"


def test_every_start_goes_on_after_kill_9(tmp_path, compiled):
    harness.killed_at_random_moments(tmp_path, compiled, kills=5)


@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_saves_the_step_and_has_a_status_of_its_own(tmp_path, compiled, processes):
    harness.stopped_by_a_signal(tmp_path, compiled, processes)


def test_a_process_whose_partner_was_killed_stops_with_a_message(tmp_path, compiled):
    harness.one_of_two_processes_killed(tmp_path, compiled)


def test_a_full_disk_stops_the_run_and_keeps_the_last_checkpoint(tmp_path, compiled):
    if "not tried" in (told := harness.full_disk(tmp_path, compiled)):
        pytest.skip(told)

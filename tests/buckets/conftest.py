import pytest

from tests.buckets.programs import Program, start_emulator
from tests.faults.jobs import free_port


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """Variables of programs that find an emulator."""
    log = tmp_path_factory.mktemp("emulator") / "log"
    emulator, environment = start_emulator("127.0.0.1", free_port(), log)
    yield environment
    emulator.kill()


@pytest.fixture
def start(environment, tmp_path):
    """Starts a program; what is left running is ended with the test."""
    started = []

    def run(*command, **variables):
        log = tmp_path / f"{len(started)}.log"
        started.append(Program(command, log, {**environment, **variables}))
        return started[-1]

    yield run
    for program in started:
        program.kill()

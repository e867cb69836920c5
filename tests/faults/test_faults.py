"""The harness on a few kills; `make faults KILLS=100` does more of them."""

import pytest

from tests.faults.harness import CHECKS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    return tmp_path_factory.mktemp("jobs") / "compiled"


@pytest.mark.parametrize("name", CHECKS)
def test_a_promise_is_kept(name, tmp_path, compiled):
    outcome = CHECKS[name](tmp_path, compiled)
    print(outcome)
    if "not tried" in outcome:
        pytest.skip(outcome)

import threading
import time

import pytest

from madf_jax.memory import MemoryBudget


def wait_until(condition):
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_what_fits_runs_together_and_the_rest_waits_in_turn():
    budget = MemoryBudget(10)
    order, releases = [], [threading.Event() for _ in range(4)]

    def work(index, count):
        with budget.hold(count):
            order.append(index)
            releases[index].wait(60)

    threads = []
    for index, count in enumerate((4, 4, 50, 1)):  # the third is larger than all there is
        threads.append(threading.Thread(target=work, args=(index, count)))
        threads[-1].start()
        if index < 2:
            wait_until(lambda index=index: index in order)
        elif index == 2:
            wait_until(budget._turn.locked)
    assert order == [0, 1]  # the last would fit, and does not overtake
    releases[0].set()
    time.sleep(0.05)
    assert order == [0, 1]
    releases[1].set()
    wait_until(lambda: order == [0, 1, 2])
    releases[2].set()
    wait_until(lambda: order == [0, 1, 2, 3])
    releases[3].set()
    for thread in threads:
        thread.join(60)


def test_what_was_held_is_free_again_after_an_error():
    budget = MemoryBudget(1)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), budget.hold(1):
            raise ZeroDivisionError

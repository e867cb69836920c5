import time

import pytest

from madf_jax.training.feed import Feed


class Result:
    """Stands for an array that the devices may still compute."""

    def __init__(self, *, ready):
        self.ready = ready

    def is_ready(self):
        return self.ready


def slow(count, seconds=0.05):
    for index in range(count):
        time.sleep(seconds)
        yield index


def test_batches_come_in_order_and_one_ahead():
    made = []
    feed = Feed(iter([1, 2, 3]), lambda batch: made.append(batch) or -batch)
    assert feed.take() == -1
    feed.prefetch(Result(ready=True))
    assert made == [1, 2]
    assert feed.take() == -2
    assert feed.take() == -3


@pytest.mark.parametrize(("ready", "counted"), [(True, True), (False, False)])
def test_waiting_counts_only_if_the_devices_were_done_meanwhile(ready, counted):
    feed = Feed(slow(2), lambda batch: batch)
    feed.take()
    assert feed.waited == 0
    feed.prefetch(Result(ready=ready))
    assert (feed.waited >= 0.05) == counted

import time

import pytest

from madf_jax.errors import UserError
from madf_jax.training.feed import Feed, NoBatch


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


def test_batches_come_in_order_and_none_is_read_before_it_is_asked_for():
    made = []
    feed = Feed(iter([1, 2, 3]), lambda batch: made.append(batch) or -batch)
    assert next(feed) == -1
    assert made == [1]
    assert list(feed) == [-2, -3]


@pytest.mark.parametrize(("ready", "counted"), [(True, True), (False, False)])
def test_waiting_counts_only_if_the_devices_were_done_meanwhile(ready, counted):
    feed = Feed(slow(2), lambda batch: batch)
    next(feed)
    assert feed.waited == 0
    feed.running = Result(ready=ready)
    next(feed)
    assert (feed.waited >= 0.05) == counted


@pytest.mark.parametrize(
    "error", [UserError("a.png: broken"), PermissionError(13, "Permission denied", "a.png")]
)
def test_a_batch_that_cannot_be_read_is_an_error_of_its_own(error):
    def batches():
        yield 1
        raise error

    feed = Feed(batches(), lambda batch: batch)
    next(feed)
    with pytest.raises(NoBatch, match=r"the next batch can't be read: .*a\.png"):
        next(feed)


def test_the_end_and_other_errors_pass():
    assert list(Feed(iter([]), lambda batch: batch)) == []
    with pytest.raises(ZeroDivisionError):
        next(Feed(iter([0]), lambda batch: 1 / batch))

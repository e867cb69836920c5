"""The next batch on the devices while the step before still runs."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from madf_jax.training.parallel import HostBatch


class Feed:
    """Batches of a run, kept one ahead of the step.

    Attributes:
        waited: seconds that the devices may have stood idle for want of a batch, so far: each wait
            that was not over before the step was. An upper bound.
    """

    def __init__(
        self, batches: Iterator[HostBatch], to_devices: Callable[[HostBatch], Any]
    ) -> None:
        self._batches, self._to_devices = batches, to_devices
        self._next: Any = None
        self.waited = 0.0

    def take(self) -> Any:
        """The next batch; the first one has to be waited for."""
        batch = self._load() if self._next is None else self._next
        self._next = None
        return batch

    def prefetch(self, running: Any) -> None:
        """Brings the next batch to the devices while they compute.

        Args:
            running: a `jax.Array`, a result of the step that was begun last.
        """
        start = time.perf_counter()
        self._next = self._load()
        if running.is_ready():
            self.waited += time.perf_counter() - start

    def _load(self) -> Any:
        return self._to_devices(next(self._batches))

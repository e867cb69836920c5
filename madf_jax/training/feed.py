"""Batches on their way to the devices, and how long the devices waited for them."""

import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from madf_jax.errors import UserError
from madf_jax.training.parallel import HostBatch


class NoBatch(UserError):
    """The next batch can't be read; the state after the last step is still valid."""


class Feed:
    """An iterator over batches on the devices.

    A step runs while the next batch is read and transferred, since JAX returns before the step has
    ended.

    Attributes:
        running: a result of the step that was begun last, if there was one.
        waited: seconds that the devices may have been idle for want of a batch, so far: each time
            that a batch came after `running` was there. An upper bound.
    """

    def __init__(
        self, batches: Iterator[HostBatch], to_devices: Callable[[HostBatch], Any]
    ) -> None:
        """Reads from `batches`; `to_devices` begins the transfer of one."""
        self._batches, self._to_devices = batches, to_devices
        self.running: Any = None
        self.waited = 0.0

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> Any:
        """The next batch.

        Raises:
            NoBatch: it can't be read.
        """
        start = time.perf_counter()
        try:
            batch = self._to_devices(next(self._batches))
        except (UserError, OSError, MemoryError) as error:
            reason = str(error) or type(error).__name__
            raise NoBatch(f"the next batch can't be read: {reason}") from error
        if self.running is not None and self.running.is_ready():
            self.waited += time.perf_counter() - start
        return batch

"""A profiler's trace of some steps, where TensorBoard and xprof find it: `plugins/profile`."""

import contextlib
import tempfile
from pathlib import Path

import jax
from absl import logging

from madf_jax.files import AnyPath, in_bucket, system_errors
from madf_jax.training.step import Metrics


class Profile:
    """A trace from the first to the last of two steps."""

    def __init__(self, steps: tuple[int, ...], workdir: AnyPath) -> None:
        """Prepares to trace `steps`, first and last; empty traces nothing."""
        self._first, self._last = steps or (0, 0)
        self._workdir, self._running = workdir, False
        self._resources = contextlib.ExitStack()

    def before(self, step: int) -> None:
        """Starts at the first step, or at a later one that a resumed run begins with."""
        if self._first <= step <= self._last and not self._running:
            jax.profiler.start_trace(str(self._place()))
            self._running = True

    def after(self, step: int, metrics: Metrics) -> None:
        """Ends after the last step."""
        if self._running and step == self._last:
            jax.block_until_ready(metrics)
            self.close()
            logging.info(
                "The trace of steps %d to %d is in %s/plugins/profile",
                self._first,
                self._last,
                self._workdir,
            )

    def close(self) -> None:
        """Ends a trace that still runs."""
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
        self._resources.close()

    def _place(self) -> AnyPath:
        """Where the profiler can write; from there a trace is copied to a bucket."""
        if not in_bucket(self._workdir):
            return self._workdir
        folder = Path(self._resources.enter_context(tempfile.TemporaryDirectory()))
        self._resources.callback(self._upload, folder)
        return folder

    def _upload(self, folder: Path) -> None:
        with system_errors(self._workdir):
            for file in filter(Path.is_file, folder.rglob("*")):
                target = self._workdir / str(file.relative_to(folder))
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())

"""SIGTERM and Ctrl-C: the first asks a run to save and stop, the second ends it at once.

Only the standard library is imported, so that signals are watched before anything else loads.
"""

import contextlib
import os
import signal
import sys
import threading
from typing import Any, Self

STOPPED = 75
"""Exit status of a run that stopped as it was asked to: the same command resumes it."""

_WATCHED = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Watches for signals in a thread of its own, as a context manager of the main thread.

    The main thread may be compiling or waiting for another process, and Python's own handlers would
    wait with it.

    Attributes:
        asked: whether a signal came after `defer`.
    """

    def __init__(self) -> None:
        """Watches nothing yet: `asked` stays False without the context."""
        self.asked = False
        self._deferred = False
        self._resources = contextlib.ExitStack()

    def __enter__(self) -> Self:
        """From now on a signal ends the process at once, with one line and status `STOPPED`.

        A signal that is ignored stays so: a shell starts what runs in the background like that.
        """
        received, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        # Python writes the number of each signal that has a handler there, whatever else it does.
        before = signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
        self._resources.callback(os.close, wakeup)  # ends the thread
        self._resources.callback(signal.set_wakeup_fd, before)
        for number in _WATCHED:
            if signal.getsignal(number) is not signal.SIG_IGN:
                handler = signal.signal(number, _do_nothing)
                self._resources.callback(signal.signal, number, handler)
        threading.Thread(target=self._watch, args=(received,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Restores the handlers that were there before."""
        self._resources.close()

    def defer(self) -> None:
        """There is something to save: from now on the first signal only sets `asked`."""
        self._deferred = True

    def _watch(self, received: int) -> None:
        with open(received, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                if number[0] in _WATCHED:
                    self._act(signal.Signals(number[0]))

    def _act(self, number: signal.Signals) -> None:
        name = number.name
        if not self._deferred:
            _end(f"stopped by {name} before the first step; there was nothing to save", STOPPED)
        if self.asked:
            _end(f"ended at once by a second signal, {name}; nothing was saved", 128 + number)
        self.asked = True
        _print(f"{name}: the run saves and stops after this step; a second signal ends it at once")


def _do_nothing(*_: Any) -> None:
    """A handler; without one, Python would not write the signal's number."""


def _end(message: str, status: int) -> None:
    _print(message)
    os._exit(status)  # an orderly end would wait for the main thread


def _print(message: str) -> None:
    # Not by `print`: the main thread may hold the lock of stderr.
    with contextlib.suppress(OSError):  # the terminal may be gone
        os.write(2, f"{os.path.basename(sys.argv[0])}: {message}\n".encode())

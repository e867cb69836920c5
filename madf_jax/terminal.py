"""What reaches the terminal: which log lines are shown, and names of files without surprises."""

import argparse
import contextlib
import logging as std_logging
import os
import signal
import sys
from collections.abc import Iterator
from numbers import Number
from typing import Any, NoReturn

from absl import logging

from madf_jax.errors import escape

Subparsers = argparse._SubParsersAction  # argparse has no public name for it

_TALKATIVE = ("orbax", "jax/_src")
# Orbax warns of each checkpoint without a validation, and of one that is only to be read.
_IDLE = ("did not provide metrics", "read_only=True", "directory is read only")

_UNRAISABLE = sys.unraisablehook


def show_own_lines() -> None:
    """Shows information of this package and of clu, warnings of everybody."""
    logging.use_absl_handler()
    logging.set_verbosity(logging.INFO)
    # Orbax logs fifty lines for each checkpoint, JAX one for each backend that is not there.
    logging.get_absl_handler().addFilter(_is_shown)
    logging.get_absl_handler().addFilter(_escape_arguments)
    sys.unraisablehook = _show_unraisable


@contextlib.contextmanager
def quiet_broken_pipe() -> Iterator[None]:
    """Ends the program without a word if the reader of its output has gone, as `| head` does.

    Raises:
        SystemExit: with the status that the signal SIGPIPE gives other programs.
    """
    try:
        try:
            yield
        finally:  # also at an exit: what is short is written only now
            sys.stdout.flush()
    except BrokenPipeError:
        # Python flushes again at its end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for stream in (sys.stdout, sys.stderr):
            os.dup2(nowhere, stream.fileno())
        sys.exit(128 + signal.SIGPIPE)


def quiet_orbax() -> None:
    """Shows errors only: Orbax warns of files that its own handlers do without."""
    logging.set_verbosity(logging.ERROR)


def terminate(*_: Any) -> NoReturn:
    """Ends the process on SIGTERM as on an exit, so that what it made is removed."""
    raise SystemExit(128 + signal.SIGTERM)


def _is_shown(record: std_logging.LogRecord) -> bool:
    if not any(name in record.pathname for name in _TALKATIVE):
        return True
    # What fails in Orbax's threads is reported in one line where it matters: no tracebacks here.
    record.exc_info = record.exc_text = None
    return record.levelname != "INFO" and not any(text in str(record.msg) for text in _IDLE)


def _show_unraisable(error: Any) -> None:
    # Where a save fails, writes of TensorStore go on for a while, and nobody waits for them.
    if str(error.exc_value) != "Event loop is closed":
        _UNRAISABLE(error)


def _escape_arguments(record: std_logging.LogRecord) -> bool:
    """Escapes what was put into a log line, so that a file's name can't forge another line."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            arg if isinstance(arg, Number) else escape(str(arg)) for arg in record.args
        )
    return True

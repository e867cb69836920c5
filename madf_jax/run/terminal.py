"""How the scripts meet the terminal: which flags are refused how, and which log lines are shown."""

import os
import sys
from pathlib import Path

from absl import app, flags, logging

_TALKATIVE = ("orbax", "xla_bridge")


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the flags; a mistake in one ends the program with one line.

    Args:
        argv: with the program first.

    Returns:
        What is left of it, the program first.
    """
    app.define_help_flags()
    try:
        rest = flags.FLAGS(argv)
        list(flags.FLAGS["config"].value)  # a config that did not load says so when it is touched
    # ml_collections raises all of these for misspelt keys, unfit values and missing files.
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        sys.exit(f"{Path(argv[0]).name}: {_told(error)}")
    if len(rest) > 1:
        sys.exit(f"{Path(argv[0]).name}: unexpected argument {rest[1]!r}; flags begin with --")
    return rest


def _told(error: BaseException) -> str:
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    unknown = "unknown key " if isinstance(error, KeyError) else ""
    return unknown + " ".join(str(error.args[0] if error.args else error).split())


def show_own_lines() -> None:
    """Shows information of this package and of clu, warnings of everybody."""
    logging.set_verbosity(logging.INFO)
    # Orbax tells fifty lines of each checkpoint, jax of each backend that is not there.
    logging.get_absl_handler().addFilter(
        lambda record: (
            record.levelname != "INFO" or not any(name in record.pathname for name in _TALKATIVE)
        )
    )
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # it only writes TensorBoard's files here

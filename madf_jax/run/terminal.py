"""How the scripts meet the terminal: which flags are refused how, and which log lines are shown."""

import logging as std_logging
import os
import sys
from pathlib import Path

import ml_collections
from absl import app, flags, logging
from ml_collections import config_flags

from madf_jax.errors import UserError

_TALKATIVE = ("orbax", "xla_bridge", "compilation_cache")


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


def read_config(arguments: list[str]) -> ml_collections.ConfigDict:
    """The config that `--config=FILE --config.section.key=value ...` describe, all keys checked.

    Raises:
        UserError: an argument is no such flag, or the file, a key or a value is no good.
    """
    values, program = flags.FlagValues(), ["madf_jax"]
    config_flags.DEFINE_config_file(
        "config", None, flag_values=values, sys_argv=[*program, *arguments]
    )
    try:
        rest = values([*program, *arguments])
        config = values.config
        list(config)  # one that did not load says so when it is touched
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        raise UserError(_told(error)) from None
    if len(rest) > 1:
        raise UserError(f"unexpected argument {rest[1]!r}; flags begin with --")
    return config


def _told(error: BaseException) -> str:
    while error.args and isinstance(error.args[0], BaseException):
        error = error.args[0]
    unknown = "unknown key " if isinstance(error, KeyError) else ""
    return unknown + " ".join(str(error.args[0] if error.args else error).split())


def _is_shown(record: std_logging.LogRecord) -> bool:
    if not any(name in record.pathname for name in _TALKATIVE):
        return True
    # What fails in Orbax's threads is told in one line where it matters, so no tracebacks here.
    record.exc_info = record.exc_text = None
    # Orbax warns of each checkpoint without a validation.
    return record.levelname != "INFO" and "did not provide metrics" not in str(record.msg)


def show_own_lines() -> None:
    """Shows information of this package and of clu, warnings of everybody."""
    logging.set_verbosity(logging.INFO)
    # Orbax tells fifty lines of each checkpoint, jax of each backend that is not there.
    logging.get_absl_handler().addFilter(_is_shown)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # it only writes TensorBoard's files here

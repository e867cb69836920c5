"""Command-line flags of a run: `--config=FILE --config.section.key=value`, refused in one line."""

import re
import sys
import traceback
from pathlib import Path

import ml_collections
from absl import app, flags
from ml_collections import config_flags

from madf_jax.errors import UserError


def parse_flags(argv: list[str]) -> list[str]:
    """Parses the flags; a mistake in one ends the program with one line.

    Args:
        argv: with the program first.

    Returns:
        What is left of it, the program first.
    """
    app.define_help_flags()
    try:
        return _parsed(flags.FLAGS, argv)
    except UserError as error:
        sys.exit(f"{Path(argv[0]).name}: {error}")


def read_config(arguments: list[str]) -> ml_collections.ConfigDict:
    """The config that `--config=FILE --config.section.key=value ...` describe, all keys checked.

    Raises:
        UserError: an argument is no such flag, or the file, a key or a value is no good.
    """
    values, program = flags.FlagValues(), ["madf_jax"]
    config_flags.DEFINE_config_file(
        "config", None, flag_values=values, sys_argv=[*program, *arguments]
    )
    _parsed(values, [*program, *arguments])
    return values.config


def _parsed(values: flags.FlagValues, argv: list[str]) -> list[str]:
    try:
        rest = values(argv)
        list(values["config"].value)  # a config that did not load says so when it is touched
    except Exception as error:  # of absl, of ml_collections, or any of a file that is Python
        raise UserError(_told(error)) from None
    if len(rest) > 1:
        raise UserError(f"unexpected argument {rest[1]!r}; flags begin with --")
    return rest


def _told(error: Exception) -> str:
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    if isinstance(error, SyntaxError):
        return f"{error.filename}: line {error.lineno}: {error.msg}"
    text = " ".join(str(error.args[0] if error.args else error).split())
    if missing := re.search(r"Failed loading config file .*path\]: (\S+) \[Errno 2\]", text):
        return f"--config={missing[1]}: there is no such file"
    if isinstance(error, KeyError):
        return f"unknown key {text}"
    if isinstance(error, (flags.Error, AttributeError, TypeError, ValueError, OSError)):
        return text  # a misspelt key, an unfit value, a missing file: says all by itself
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{place.filename}: line {place.lineno}: {type(error).__name__}: {text}"

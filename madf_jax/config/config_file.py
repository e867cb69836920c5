"""A config from a Python file or from a run, with the changes that the command line makes."""

import ast
import difflib
import re
import traceback
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from absl import flags
from ml_collections import config_flags

from madf_jax.errors import UserError
from madf_jax.files import local_path, require_regular_file
from madf_jax.former_keys import explain_former_key

CHANGE = re.compile(r"--?(?:no)?config\.([^=]*)")
"""A flag that changes a key, and that key."""

_LONGEST = 300  # characters of another library's message


def read_config(path: str, changes: Sequence[str]) -> ml_collections.ConfigDict:
    """The config of a file, with changes.

    Args:
        path: of a Python file with a function `get_config`; `FILE:TEXT` gives it an argument.
        changes: flags `--config.section.key=value`.

    Raises:
        UserError: the file, a key or a value can't be used.
    """
    file, colon, argument = str(local_path(path, "--config")).partition(":")
    require_regular_file(Path(file), "--config")
    try:
        config = _run_file(file).get_config(*([argument] if colon else []))
    except Exception as error:  # whatever a file that is Python raises
        reason = _describe(error)
        raise UserError(reason if file in reason else f"--config={file}: {reason}") from None
    if not isinstance(config, ml_collections.ConfigDict):
        raise UserError(f"--config={path}: get_config() gives {config!r}, not a ConfigDict")
    return _change(config, changes)


def change_config(
    config: Mapping[str, Mapping[str, Any]], changes: Sequence[str]
) -> ml_collections.ConfigDict:
    """A config of plain values, as `read_run_config` gives it, with changes as in `read_config`.

    Raises:
        UserError: a key or a value can't be used.
    """
    return _change(ml_collections.ConfigDict(config), changes)


def _run_file(path: str) -> Any:
    module = types.ModuleType("config_of_run")
    module.__file__ = path
    # Not by an import, which would leave a __pycache__ beside the user's file.
    exec(compile(Path(path).read_bytes(), path, "exec"), vars(module))
    return module


def _change(config: ml_collections.ConfigDict, changes: Sequence[str]) -> ml_collections.ConfigDict:
    known = [f"{section}.{key}" for section, values in config.items() for key in values]
    for key in [match[1] for match in map(CHANGE.match, changes) if match]:
        if key not in known:
            raise UserError(explain_former_key(key) or f"unknown key {suggest(key, known)}")
    values, argv = flags.FlagValues(), ["madf_jax", *changes]
    try:
        config_flags.DEFINE_config_dict("config", config, flag_values=values, sys_argv=argv)
        rest = values(argv)
    except Exception as error:  # of absl and of ml_collections
        raise UserError(_describe(error)) from None
    if len(rest) > 1:
        raise UserError(f"unexpected argument {rest[1]!r}; flags begin with --")
    return config


class _TupleParser(flags.ArgumentParser):
    """Reads a tuple of numbers; ml_collections' own parser joins a flag given twice."""

    def parse(self, argument: Any) -> tuple[Any, ...]:
        if not isinstance(argument, str):
            return tuple(argument)
        try:
            value = ast.literal_eval(argument)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            raise ValueError("use numbers in parentheses, such as (1, 2)") from None
        return tuple(value) if isinstance(value, tuple | list) else (value,)

    def flag_type(self) -> str:
        return "numbers in parentheses"


class _BooleanParser(flags.BooleanParser):
    """absl's, with a plain message."""

    def parse(self, argument: Any) -> bool:
        try:
            return bool(super().parse(argument))
        except (TypeError, ValueError):
            raise ValueError("use True or False") from None


config_flags.register_flag_parser_for_type(tuple, _TupleParser())
config_flags.register_flag_parser_for_type(bool, _BooleanParser())


def _describe(error: Exception) -> str:
    while error.args and isinstance(error.args[0], Exception):
        error = error.args[0]
    if isinstance(error, SyntaxError):
        return f"{error.filename}: line {error.lineno}: {error.msg}"
    # str() of a KeyError is its text in quotes.
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    text = text.partition(" Other fields present")[0]
    text = _shorten(" ".join(text.split()))
    if isinstance(error, AttributeError | KeyError) and (explained := explain_former_key(text)):
        return explained
    if isinstance(error, KeyError) and not text.startswith("Key "):
        return f"unknown key {text}"
    expected = flags.Error | AttributeError | KeyError | TypeError | ValueError | OSError
    if isinstance(error, expected):
        return text  # a misspelt key or an unfit value: it names both
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{place.filename}: line {place.lineno}: {type(error).__name__}: {text}"


def suggest(name: str, known: Sequence[str]) -> str:
    """An unknown name in quotes, and the known one that it resembles."""
    near = difflib.get_close_matches(name, known, n=1)
    return f"{name!r}; did you mean {near[0]}?" if near else f"{name!r}"


def _shorten(text: str) -> str:
    half = _LONGEST // 2
    return text if len(text) <= _LONGEST else f"{text[:half]} ... {text[-half:]}"

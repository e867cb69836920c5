"""The config of a run, `config.json` in its working directory, and how another one differs."""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from absl import logging

from madf_jax.config.sections import Plain, Setup, all_options, to_plain
from madf_jax.errors import UserError
from madf_jax.files import AnyPath, read_json, system_errors, write_text
from madf_jax.former_keys import use_current_keys
from madf_jax.options import Option

_NAME = "config.json"
_LONGEST = 80  # characters of a value in a message


@dataclasses.dataclass(frozen=True)
class Difference:
    """A key that has another value than in the config of a run.

    Attributes:
        key: `section.key`.
        before: value in the run's config; None if it is not there.
        now: present value; None if there is no such key any more.
        option: the key's rules; None likewise.
    """

    key: str
    before: Any
    now: Any
    option: Option | None

    def __str__(self) -> str:
        """Key and both values."""
        return f"{self.key} is {_shown(self.before)} there, {_shown(self.now)} now"

    @property
    def is_free(self) -> bool:
        """Whether a run may be continued with another value."""
        return self.option is not None and bool(self.option.free)

    @property
    def changes_shapes(self) -> bool:
        """Whether the saved arrays have other shapes than the present value asks for."""
        if self.option is None or self.option.shapes is None:
            return False
        try:
            return self.option.shapes(self.before) != self.option.shapes(self.now)
        except (TypeError, ValueError, OverflowError):  # no value that a network can have
            return True


def has_run_config(workdir: AnyPath) -> bool:
    """Whether a working directory has a config; one that `convert` made has none.

    Raises:
        UserError: the directory can't be read.
    """
    path = workdir / _NAME
    with system_errors(path):
        return path.exists()


def read_run_config(workdir: AnyPath) -> Plain:
    """The config of a run under the present names; keys that came later have their defaults.

    Raises:
        UserError: there is none, or it can't be read.
    """
    path = workdir / _NAME
    content = read_json(path)
    if not (isinstance(content, dict) and any(name in content for name in all_options())):
        raise UserError(f"{path}: is not the config of a run; restore or remove it")
    values = use_current_keys(content)
    for section, options in all_options().items():
        given = values.setdefault(section, {})
        for key, rules in options.items():
            given[key] = _conforming(rules, given.get(key, rules.default))
    return values


def find_differences(before: Plain, now: Plain) -> list[Difference]:
    """The keys whose values differ, by name."""
    options = all_options()
    there, here = _flat(before), _flat(now)
    return [
        Difference(
            f"{section}.{key}",
            there.get((section, key)),
            here.get((section, key)),
            options.get(section, {}).get(key),
        )
        for section, key in sorted({*there, *here})
        if there.get((section, key)) != here.get((section, key))
    ]


def write_run_config(setup: Setup, workdir: AnyPath, step: int) -> None:
    """Writes the config that a run continues with; a different one is kept as `config-STEP.json`.

    A run that has taken all its steps keeps the config it has been trained with.

    Args:
        setup: to write.
        workdir: of the run.
        step: steps that were taken with earlier configs.

    Raises:
        UserError: it can't be written.
    """
    path = workdir / _NAME
    if step > 0 and has_run_config(workdir):
        if step >= setup.training.steps:
            return
        if changes := find_differences(read_run_config(workdir), to_plain(setup)):
            _keep(path, step)
        for change in changes:
            logging.info(
                "config.%s: %s until step %d, %s from here on",
                change.key,
                _shown(change.before),
                step,
                _shown(change.now),
            )
    write_text(path, json.dumps(to_plain(setup), indent=2) + "\n")


def _keep(path: AnyPath, step: int) -> None:
    """Copies a config to the first free name; two starts may leave from the same step."""
    text, number = path.read_text(), 1
    kept = path.with_name(f"config-{step}.json")
    while kept.exists() and kept.read_text() != text:
        number += 1
        kept = path.with_name(f"config-{step}-{number}.json")
    write_text(kept, text)


def _conforming(rules: Option, value: Any) -> Any:
    """A value of JSON as the section keeps it; one that is not allowed any more stays as it is."""
    try:
        return rules.conform("", value)
    except UserError:
        return value


def _flat(config: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str], Any]:
    return {
        (section, key): value for section, values in config.items() for key, value in values.items()
    }


def _shown(value: Any) -> str:
    text = "absent" if value is None else json.dumps(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."

"""The page `docs/config.md`: every key with what it may be and what depends on it."""

import json
from typing import Any

from madf_jax.config.sections import all_options
from madf_jax.options import Option

_HEAD = """# Keys of a config

Written by `python -m madf_jax.config.page > docs/config.md` from the classes that declare them.

`--config.section.key=value` changes a key; given twice, the last one counts. A value that is not
allowed is refused in one line before anything compiles.

**Continued with another value** says what another value does to a run that has checkpoints.
*refused*: what is computed would change, so `--config.training.changed_config=accept` is needed.
*never*: the arrays of the checkpoints would have other shapes. Anything else is free, and the
column says what depends on it. Every changed key is logged with both values, and the config of
before is kept in the working directory as `config-STEP.json`. Keys marked * may also differ between
the processes of a job.
"""


def format_page() -> str:
    """The page as Markdown."""
    parts = [_HEAD]
    for section, options in all_options().items():
        parts.append(f"\n## {section}\n\n")
        parts.append("| key | default | meaning | allowed | continued with another value |\n")
        parts.append("|---|---|---|---|---|\n")
        parts.extend(_row(key, rules) for key, rules in options.items())
    return "".join(parts)


def _row(key: str, rules: Option) -> str:
    name = f"`{key}`{'*' * rules.per_process}"
    cells = (name, f"`{_literal(rules.default)}`", rules.help, rules.allowed, _continued(rules))
    return "".join(f"| {cell} " for cell in cells) + "|\n"


def _continued(rules: Option) -> str:
    if rules.free:
        return rules.free
    if rules.shapes is None:
        return "refused"
    return "refused; never from or to 0" if rules.shapes is bool else "never"


def _literal(value: Any) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


if __name__ == "__main__":
    print(format_page(), end="")

"""Whether a working directory belongs to the run that a config describes."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madf_jax.config.sections import Setup, to_plain
from madf_jax.errors import UserError
from madf_jax.files import write_text

_NAME = "config.json"
_NAMED = 8
# In both sets a section stands for all of its keys.
# What may differ between the processes of a job: where things lie.
LOCAL = {
    "loader",
    "init.weights",
    "init.vgg_weights",
    *(f"data.{key}" for key in ("train_path", "evaluation_path", "tfds_dir")),
    *(f"masks.{key}" for key in ("train_path", "evaluation_path")),
}
# What may differ between starts of one run: how things are computed and watched, too.
FREE = {
    *LOCAL,
    "evaluation",
    "init",
    *(f"network.{key}" for key in ("remat", "filtering", "dtype")),
    *(f"data.{key}" for key in ("bad_files", "check_files", "max_bad_share")),
    *(f"training.{key}" for key in ("steps", "parallel", "accumulate_steps", "compile_cache")),
    *(f"training.{key}" for key in ("log_every", "images_every", "validate_every")),
    *(f"training.{key}" for key in ("checkpoint_every", "keep_last", "profile_steps")),
    *(f"training.{key}" for key in ("max_skipped_in_row", "changed_config", "process_timeout")),
}


def check_config(setup: Setup, workdir: Path) -> None:
    """Compares with the config that the run began with, if it has begun.

    Raises:
        UserError: a key that is not in `FREE` differs and `training.changed_config` is 'refuse'; or
            the file can't be read. The message has both values.
    """
    path = workdir / _NAME
    if not path.exists():
        return
    try:
        before = json.loads(path.read_text())
        if not isinstance(before, dict):
            raise ValueError("it holds no config")
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: can't be read: {error}; mend or remove it") from None
    changed = _differences(before, to_plain(setup))
    if not changed or setup.training.changed_config == "accept":
        return
    shown = "; ".join(
        f"{key} is {there} there, {here} now" for key, (there, here) in changed[:_NAMED]
    )
    more = f"; and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    raise UserError(
        f"{workdir} belongs to another config: {shown}{more}. Use that config, another --workdir, "
        "or --setup.training.changed_config=accept to go on with the new one"
    )


def describe_job(setup: Setup, data: Mapping[str, Any]) -> str:
    """What must be the same in every process of a job: a text of config and data.

    Args:
        setup: of this process.
        data: JSON-able facts on what it reads.

    Returns:
        Text without the keys in `LOCAL`.
    """
    keys = {
        key: value
        for key, value in _flat(to_plain(setup)).items()
        if not {key, key.partition(".")[0]} & LOCAL
    }
    return json.dumps([keys, data], sort_keys=True)


def write_config(setup: Setup, workdir: Path) -> None:
    """Writes the config of a run to `config.json`.

    Raises:
        UserError: it can't be written.
    """
    write_text(workdir / _NAME, json.dumps(to_plain(setup), indent=2) + "\n")


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any]
) -> list[tuple[str, tuple[str, str]]]:
    there, here = _flat(before), _flat(now)
    return [
        (key, (there.get(key, "absent"), here.get(key, "absent")))
        for key in sorted({*there, *here})
        if there.get(key) != here.get(key) and not {key, key.partition(".")[0]} & FREE
    ]


def _flat(config: Mapping[str, Any]) -> dict[str, str]:
    return {
        f"{section}.{key}": json.dumps(value)
        for section, values in config.items()
        for key, value in (values.items() if isinstance(values, Mapping) else ())
    }

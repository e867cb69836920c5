"""Keys and values that earlier versions had: saved configs with them can still be used."""

import re
from collections.abc import Mapping
from typing import Any

_RENAMED = {
    "data.colour_variation": "data.channel_jitter",
    "network.hidden": "network.norm_hidden",
    "training.pictures_every": "training.images_every",
}
_REMOVED = {
    "loader.num_workers": "threads read as fast as worker processes; leave it out, and raise "
    "loader.num_threads if the devices wait for data",
}
_VALUES = {
    "data.evaluation_crop": {"centre": "center"},
    "training.batch_norm": {"synchronised": "synchronized"},
}


def explain_former_key(text: str) -> str:
    """What has become of a former key that is named in a message; '' if none is.

    Args:
        text: about an unknown key, with or without its section.
    """
    for key, name in _RENAMED.items():
        if _names(text, key):
            return f"{key} is now {name}"
    for key, advice in _REMOVED.items():
        if _names(text, key):
            return f"{key} was removed: {advice}"
    return ""


def use_current_keys(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A saved config with the present names of its keys and values, without removed keys.

    Args:
        config: values by section and key; what is not a section is left out.
    """
    current: dict[str, dict[str, Any]] = {}
    for section, values in config.items():
        for key, value in values.items() if isinstance(values, Mapping) else ():
            former = f"{section}.{key}"
            if former in _REMOVED:
                continue
            name = _RENAMED.get(former, former)
            if isinstance(value, str):
                value = _VALUES.get(name, {}).get(value, value)
            new_section, _, new_key = name.partition(".")
            current.setdefault(new_section, {})[new_key] = value
    return current


def _names(text: str, key: str) -> bool:
    return re.search(rf"\b{key.partition('.')[2]}\b", text) is not None

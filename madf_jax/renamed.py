"""Keys and values that had other names before: configs that were saved then can still be used."""

from collections.abc import Mapping
from typing import Any

KEYS = {
    "data.colour_variation": "data.channel_jitter",
    "training.pictures_every": "training.images_every",
}
"""Present names by former ones."""

_VALUES = {
    "data.evaluation_crop": {"centre": "center"},
    "training.batch_norm": {"synchronised": "synchronized"},
}


def use_current_names(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A config of before with the present names of keys and values.

    Args:
        config: values by section and key; what is not a section is left out.
    """
    renamed: dict[str, dict[str, Any]] = {}
    for section, values in config.items():
        for key, value in values.items() if isinstance(values, Mapping) else ():
            name = KEYS.get(f"{section}.{key}", f"{section}.{key}")
            if isinstance(value, str):
                value = _VALUES.get(name, {}).get(value, value)
            new_section, _, new_key = name.partition(".")
            renamed.setdefault(new_section, {})[new_key] = value
    return renamed

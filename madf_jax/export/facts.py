"""What is known of weights, as rows of a card's table; what is not known has no row."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Mapping
from typing import Any

import jax

from madf_jax import __version__
from madf_jax.export.request import Format
from madf_jax.network import MADF
from madf_jax.weights import Weights

Row = tuple[str, str]

_SET_APART = ("config", "title", "license")
_LIBRARIES: dict[Format, tuple[str, ...]] = {
    "stablehlo": ("jax", "jaxlib"),
    "onnx": ("jax", "onnx", "onnxruntime"),
    "torch": ("torch",),
    "web": ("onnx", "onnxruntime"),
}


def network_rows(network: MADF, params: Any) -> list[Row]:
    """How deep and wide it is."""
    parameters = sum(leaf.size for leaf in jax.tree.leaves(params))
    widths, skips = (", ".join(map(str, sizes)) for sizes in (network.widths, network.skip_widths))
    text = (
        f"MADF with depth {network.depth}, refinements {network.refinements}, widths "
        f"{widths}, skip widths {skips}; {parameters:,} parameters"
    )
    return [("network", text)]


def training_rows(weights: Weights) -> list[Row]:
    """Steps, data, masks and license, and whatever else the metadata says in one line each."""
    metadata = weights.metadata
    config = metadata.get("config")
    sections = config if isinstance(config, Mapping) else {}
    found = {
        "step": "" if weights.step is None else f"{weights.step:,}",
        "training": _training(_section(sections, "training"), _section(sections, "optimizer")),
        "data": _data(_section(sections, "data")),
        "masks": _masks(_section(sections, "masks")),
        "license": str(metadata.get("license") or ""),
        **{
            name.replace("_", " "): str(value)
            for name, value in metadata.items()
            if name not in _SET_APART and isinstance(value, str | int | float)
        },
    }
    return [(name, text) for name, text in found.items() if text]


def version_row(format: Format) -> Row:
    """This package and the libraries that wrote the file."""
    versions = {"madf_jax": __version__}
    versions |= {name: importlib.metadata.version(name) for name in _LIBRARIES.get(format, ())}
    return "versions", ", ".join(f"{name} {version}" for name, version in versions.items())


def _section(config: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = config.get(name)
    return section if isinstance(section, Mapping) else {}


def _training(training: Mapping[str, Any], optimizer: Mapping[str, Any]) -> str:
    return _words(
        ("{} images per step", training.get("batch_size")),
        ("learning rate {}", optimizer.get("learning_rate")),
        ("averaged with decay {}", training.get("ema_decay") or None),
        ("seed {}", training.get("seed")),
    )


def _data(data: Mapping[str, Any]) -> str:
    size = data.get("size")
    return _words(
        ("{}", data.get("tfds_name") or data.get("source")),
        ("crops of {} pixels", None if size is None else f"{size}x{size}"),
    )


def _masks(masks: Mapping[str, Any]) -> str:
    source = masks.get("source")
    if source != "generator":
        return str(source or "")
    return _words(
        ("{}", source),
        ("holes from {} of the image on", masks.get("hole_min")),
        ("up to {}", masks.get("hole_max")),
    )


def _words(*parts: tuple[str, Any]) -> str:
    return ", ".join(form.format(value) for form, value in parts if value is not None)

"""Weights in files and runs: one entry point to read them, one to write them.

`load` reads every kind there is, `save` writes the kind that a path names, `Weights` is what they
return and take. They are imported when they are used, since they need jax.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madf_jax.weights.entry import load, save
    from madf_jax.weights.model import Weights

__all__ = ["Weights", "load", "save"]


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used (PEP 562)."""
    import importlib

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "model" if name == "Weights" else "entry"
    return getattr(importlib.import_module(f"madf_jax.weights.{home}"), name)

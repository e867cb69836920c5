"""Weights in files and runs: one entry point to read them, one to write them.

`load` reads every kind there is, `save` writes the kind that a path's suffix names, `Weights` is
the object that both use. They are imported when they are used, since they need jax.

From the outside in: `entry` chooses between `run_directory` and `weight_files`; `tensor_files`
(`npz`, `torch_files`) reads names and arrays; `own_format` or `reference_format` makes `Weights`
(`model`) of them, with `description` for the network and `names`, `table` and `layouts` for what a
tensor of the PyTorch reference is here.
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

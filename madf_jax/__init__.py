"""Image inpainting by mask-aware dynamic filtering and cascaded refinement (MADF) in JAX.

inpainter = madf_jax.Inpainter.load("weights.safetensors")
painted = inpainter(image, mask)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from madf_jax.inference.inpainter import Inpainter

__version__ = "0.1.0"

__all__ = ["Inpainter", "__version__"]


def __getattr__(name: str) -> Any:
    """Imports `Inpainter` when it is first used (PEP 562): it needs jax."""
    if name != "Inpainter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return importlib.import_module("madf_jax.inference.inpainter").Inpainter

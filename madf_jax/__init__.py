"""Image inpainting by mask-aware dynamic filtering and cascaded refinement (MADF) in JAX."""

__version__ = "0.1.0"

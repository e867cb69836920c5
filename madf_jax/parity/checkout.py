"""The PyTorch reference itself, imported from the user's own checkout of it.

The release is GPL-3.0: it is imported and run, nothing of it is part of this package.
"""

import argparse
import contextlib
import importlib
import importlib.util
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from madf_jax.errors import UserError

# Where a checkout may keep its generator: module and class.
GENERATORS = (("net", "MADFNet"),)


def reference_network(directory: Path, depth: int, refinements: int) -> Any:
    """The checkout's generator as a PyTorch module with fresh weights.

    Args:
        directory: a checkout of MADF-inpainting/Pytorch-MADF.
        depth: levels of its encoder.
        refinements: its refinement decoders.

    Raises:
        UserError: there is no generator in the checkout, or it can't be made.
    """
    for module_name, class_name in GENERATORS:
        if (directory / f"{module_name}.py").is_file():
            with _importable(directory):
                try:
                    generator = getattr(importlib.import_module(module_name), class_name)
                    settings = argparse.Namespace(n_refinement_D=refinements)
                    return generator(settings, layer_size=depth)
                except Exception as error:  # another version of it may fail in any way
                    reason = " ".join(str(error).split()) or type(error).__name__
                    raise UserError(
                        f"{directory}: its {module_name}.{class_name} can't be made: {reason}"
                    ) from None
    known = ", ".join(f"{module}.py" for module, _ in GENERATORS)
    raise UserError(f"{directory}: no checkout of MADF-inpainting/Pytorch-MADF, it lacks {known}")


@contextlib.contextmanager
def _importable(directory: Path) -> Iterator[None]:
    """Lets modules be imported from a directory, and forgets them after."""
    before = set(sys.modules)
    stand_ins = _torchvision_stand_ins() if not _installed("torchvision") else {}
    sys.modules.update(stand_ins)
    sys.path.insert(0, str(directory.absolute()))
    try:
        yield
    finally:
        sys.path.remove(str(directory.absolute()))
        for name in set(sys.modules) - before:
            origin = getattr(sys.modules[name], "__file__", None)
            if name in stand_ins or (origin and Path(origin).is_relative_to(directory.absolute())):
                del sys.modules[name]


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _torchvision_stand_ins() -> dict[str, types.ModuleType]:
    """Enough of torchvision to be imported; the generator needs none of it."""

    def missing(*_: Any, **__: Any) -> Any:
        raise UserError("the PyTorch reference asks for torchvision: pip install torchvision")

    names = {"models": "vgg16", "transforms": "Compose", "utils": "save_image"}
    parent = types.ModuleType("torchvision")
    modules = {"torchvision": parent}
    for name, function in names.items():
        child = types.ModuleType(f"torchvision.{name}")
        setattr(child, function, missing)
        setattr(parent, name, child)
        modules[child.__name__] = child
    return modules

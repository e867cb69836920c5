"""The PyTorch reference itself, imported from a checkout that the user has.

It is GPL-3.0: it is imported and run, but no part of it is in this package.
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
from madf_jax.files import require_directory, system_errors

_MODULE, _CLASS = "net", "MADFNet"


def reference_network(directory: Path, depth: int, refinements: int) -> Any:
    """The checkout's generator as a PyTorch module with fresh weights.

    Args:
        directory: a checkout of MADF-inpainting/Pytorch-MADF.
        depth: levels of its encoder.
        refinements: its refinement decoders.

    Raises:
        UserError: the directory is not a checkout, or its generator can't be constructed.
    """
    require_directory(directory, "--reference")
    with system_errors(directory, "--reference"):
        if not (directory / f"{_MODULE}.py").is_file():
            raise UserError(
                f"{directory}: is not a checkout of MADF-inpainting/Pytorch-MADF: it lacks "
                f"{_MODULE}.py"
            )
    with _importable(directory):
        try:
            generator = getattr(importlib.import_module(_MODULE), _CLASS)
            return generator(argparse.Namespace(n_refinement_D=refinements), layer_size=depth)
        except Exception as error:  # another version of it may fail in any way
            reason = " ".join(str(error).split()) or type(error).__name__
            raise UserError(
                f"{directory}: its {_MODULE}.{_CLASS} can't be constructed: {reason}"
            ) from None


@contextlib.contextmanager
def _importable(directory: Path) -> Iterator[None]:
    """Makes modules importable from a directory; unloads them afterwards."""
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
    """Enough of torchvision to be imported; the generator uses none of it."""

    def missing(*_: Any, **__: Any) -> Any:
        raise UserError("the PyTorch reference needs torchvision: pip install torchvision")

    names = {"models": "vgg16", "transforms": "Compose", "utils": "save_image"}
    parent = types.ModuleType("torchvision")
    modules = {"torchvision": parent}
    for name, function in names.items():
        child = types.ModuleType(f"torchvision.{name}")
        setattr(child, function, missing)
        setattr(parent, name, child)
        modules[child.__name__] = child
    return modules

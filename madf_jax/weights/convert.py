"""Weights from one kind of file or directory to another.

The kind follows from the path: `.pth` and `.pt`, `.safetensors`, `.npz`, or a directory of a run.
"""

import dataclasses
from pathlib import Path

import jax

from madf_jax.errors import UserError
from madf_jax.weights.checkpoint import read_weights, write_weights
from madf_jax.weights.model import Weights
from madf_jax.weights.run_directory import read_run, write_run
from madf_jax.weights.tensor_files import TORCH_SUFFIXES

_SUFFIXES = (*TORCH_SUFFIXES, ".safetensors", ".npz")


def read_any(path: Path) -> Weights:
    """Weights from a file, or from a run's working directory or one of its checkpoints.

    Raises:
        UserError: nothing that holds weights is there, or it is damaged.
    """
    if not path.exists():
        raise UserError(f"{path}: there is no such file or directory")
    return read_run(path)[0] if path.is_dir() else read_weights(path)


def convert(
    source: Path, target: Path, *, prefixes: bool = False, ema: bool = False, force: bool = False
) -> list[str]:
    """Converts.

    Args:
        source: what `read_any` takes.
        target: of any kind; it appears whole or not at all.
        prefixes: write the release's names with its prefixes, `.pth` and `.pt` only.
        ema: write the averaged parameters as the model, without Adam's moments.
        force: replace a file, or write into a directory that is not empty.

    Returns:
        Lines that tell what was read, left out and written.

    Raises:
        UserError: the source is no good, the target exists or its kind is not known, or the
            options do not fit.
    """
    to_run = _is_run(target)
    if prefixes and target.suffix.lower() not in TORCH_SUFFIXES:
        raise UserError(f"{target}: --prefixes is for .pth and .pt files")
    if target.is_file() and not to_run and not force:
        raise UserError(f"{target}: is there already; --force replaces it")
    weights = read_any(source)
    told = [f"read {source}: {_told(weights)}"]
    if ema:
        weights = _averaged(weights, source)
        told.append("the averaged weights become the model; Adam's moments are left out")
    if weights.ema is not None and target.suffix.lower() in TORCH_SUFFIXES:
        weights = dataclasses.replace(weights, ema=None)
        told.append("left out: the averaged weights kept there; --ema writes those as the model")
    if weights.vgg is not None and to_run:
        weights = dataclasses.replace(weights, vgg=None)
        told.append("left out: the VGG-16 trunk, for which a run's checkpoint has no place")
    if to_run:
        target = write_run(target, weights, force=force)
    else:
        write_weights(target, weights, prefixes=prefixes)
    return [*told, f"wrote {target}: {_told(weights)}"]


def _is_run(target: Path) -> bool:
    if target.suffix.lower() in _SUFFIXES:
        return False
    if target.suffix and not target.is_dir():
        raise UserError(
            f"{target}: files of weights end in {', '.join(_SUFFIXES)}; "
            "the working directory of a run has no suffix"
        )
    return True


def _averaged(weights: Weights, source: Path) -> Weights:
    if weights.ema is None:
        raise UserError(f"{source}: keeps no averaged weights; leave --ema out")
    return dataclasses.replace(weights, params=weights.ema, ema=None, adam=None)


def _told(weights: Weights) -> str:
    moments = () if weights.adam is None else (weights.adam.mu, weights.adam.nu)
    trees = (weights.trained_variables, weights.ema, weights.vgg, *moments)
    arrays = sum(len(jax.tree.leaves(tree)) for tree in trees)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(weights.params))
    has = {"Adam": weights.adam, "average": weights.ema, "VGG": weights.vgg}
    parts = ", ".join(f"{name} {'no' if it is None else 'yes'}" for name, it in has.items())
    return (
        f"{arrays} arrays, {parameters:,} parameters, "
        f"step {'not told' if weights.step is None else weights.step}, {parts}"
    )

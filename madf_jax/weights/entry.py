"""The one entry point for weights: files of every kind, and runs."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from madf_jax.errors import UserError
from madf_jax.files import any_path, local_copy, local_path, system_errors
from madf_jax.weights.hub import MODEL, hub_folder, is_hub_address, is_hub_folder
from madf_jax.weights.model import Weights
from madf_jax.weights.run_directory import check_run_target, read_run, write_run
from madf_jax.weights.tensor_files import OWN_SUFFIXES, SUFFIXES, TORCH_SUFFIXES
from madf_jax.weights.weight_files import read_file, write_file

PathLike = str | os.PathLike[str]


def load(path: PathLike, *, optimizer: bool = False) -> Weights:
    """Reads weights from wherever they are.

    Args:
        path: a file (.pth, .pt, .safetensors or .npz), a run's working directory, of which the
            newest checkpoint is read, or one checkpoint in it, `.../checkpoints/STEP`; or a folder
            of a hub, with `model.safetensors`. Each may be in a bucket, `gs://BUCKET/...`. Or a
            model of a hub, `hf://OWNER/NAME`.
        optimizer: read the optimizer's state too, if there is one. Otherwise it is neither checked
            nor kept, so that no optimizer can keep its weights from being loaded.

    Returns:
        The network and its weights: `weights.network.apply(weights.variables, image, mask,
        train=False)`.

    Raises:
        UserError: nothing that holds weights is there, or it is damaged.
    """
    source = hub_folder(os.fspath(path)) if is_hub_address(path) else any_path(path)
    with system_errors(source):
        if source.is_dir() and is_hub_folder(source):
            source = source / MODEL
        if source.is_dir():
            return read_run(source, optimizer=optimizer)
        with local_copy(source) as file:
            return read_file(file, optimizer=optimizer)


def save(
    path: PathLike,
    weights: Weights,
    *,
    prefixes: bool = False,
    half: bool = False,
    force: bool = False,
) -> Path:
    """Writes weights as the kind that the path names; they appear whole or not at all.

    Args:
        path: a file (.pth, .pt, .safetensors or .npz), or a run's working directory or one
            `.../checkpoints/STEP` in it, from which a run with a config for this network goes on.
        weights: what to write; arrays of NumPy or jax. A run has no place for a VGG-16 trunk.
        prefixes: .pth and .pt only: put `module.model.` and `module.extractor.` before
            the PyTorch reference's names.
        half: .safetensors and .npz only: parameters as float16, without an optimizer's state.
        force: replace a file, or write into a directory that is not empty.

    Returns:
        The file, or the checkpoint's own directory.

    Raises:
        UserError: `check_target` says what else; the weights are not their network's or hold NaN
            or infinity; or the place can't be written.
    """
    target = check_target(path, prefixes=prefixes, half=half, force=force)
    if half:
        weights = dataclasses.replace(weights, adam=None)
    with system_errors(target):
        if is_run(target):
            return write_run(target, weights, force=force)
        write_file(target, weights, prefixes=prefixes, half=half)
        return target


def check_target(
    path: PathLike, *, prefixes: bool = False, half: bool = False, force: bool = False
) -> Path:
    """Finds out whether `save` may write there, before the work is done.

    Returns:
        The path.

    Raises:
        UserError: the path's kind is not known, something is there and must not be replaced
            without `force`, or `prefixes` or `half` are asked for where there are none.
    """
    target = local_path(path)
    if prefixes and target.suffix.lower() not in TORCH_SUFFIXES:
        raise UserError(f"{target}: only .pth and .pt files have the reference's prefixes")
    if half and target.suffix.lower() not in OWN_SUFFIXES:
        raise UserError(f"{target}: only {' and '.join(OWN_SUFFIXES)} files hold float16 here")
    with system_errors(target):
        if is_run(target):
            check_run_target(target, force=force)
        elif target.is_dir():
            raise UserError(f"{target}: is a directory; files of weights can't replace it")
        elif target.exists() and not force:
            raise UserError(f"{target}: is there already; --force replaces it")
    return target


def is_run(target: Path) -> bool:
    """Whether a path to write to is that of a run, not of a file.

    Raises:
        UserError: it has a suffix that is no file's of weights, and is no directory.
    """
    if target.suffix.lower() in SUFFIXES:
        return False
    if target.suffix and not target.is_dir():
        raise UserError(
            f"{target}: files of weights end in {', '.join(SUFFIXES)}; "
            "the working directory of a run has no suffix"
        )
    return True

"""Reading one checkpoint onto the host, without the config of its run."""

import dataclasses
import json
import math
import re
import textwrap
from collections.abc import Collection, Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from madf_jax.checkpoints.integrity import describe, digest, name_of
from madf_jax.checkpoints.plain_path import plain_path
from madf_jax.errors import UserError
from madf_jax.files import AnyPath

# By which TensorStore says where in its source something happened; the reason is before.
_DETAILS = re.compile(r"\[(?:source locations|tensorstore_spec|http_response_\w+)=")
_PART = 64 * 2**20  # bytes that verifying holds at a time


@dataclasses.dataclass(frozen=True)
class Restored:
    """A checkpoint that was read.

    Attributes:
        step: steps taken.
        state: the tree that was asked for.
        notes: the JSON-able facts that were saved beside the state.
    """

    step: int
    state: Any
    notes: dict[str, Any]


def read_checkpoint(path: AnyPath) -> Restored:
    """Reads one checkpoint without its run's config, onto the host.

    Args:
        path: `workdir/checkpoints/STEP`.

    Returns:
        The state as plain nested dicts, lists and NumPy arrays.

    Raises:
        UserError: it is no checkpoint of a run, or it is damaged.
    """
    try:
        with plain_path(path) as plain:
            facts, stored = read_facts(plain), _stored(plain / "state")
            state = _read(plain / "state", stored, describe(stored))
        leaves = dict(zip(describe(state), jax.tree.leaves(state), strict=True))
        intact = describe(state) == facts["arrays"]
        intact = intact and digest([leaves[name] for name in facts["arrays"]]) == facts["digest"]
        step, notes = int(state["step"]), facts["notes"]
    except Exception as error:  # damaged files make Orbax raise almost anything
        raise UserError(
            f"{path}: is no checkpoint of a run, or damaged: {first_words(error)}"
        ) from None
    if not intact:
        raise UserError(f"{path}: is damaged: its bytes are not those that were saved")
    return Restored(step, state, notes)


def verify(path: AnyPath, facts: dict[str, Any]) -> None:
    """Reads a checkpoint back and compares it with what was to be written.

    Needs no device, and memory for a part of the arrays at a time.

    Args:
        path: of the checkpoint, one that Orbax can use.
        facts: as they were to be written: `arrays` from `describe`, their `digest`, `notes`.

    Raises:
        ValueError: it is not what was to be written. Damaged files make Orbax raise almost
            anything else.
    """
    if json.dumps(read_facts(path)) != json.dumps(facts):
        raise ValueError("the facts beside the arrays read back differently")
    stored = _stored(path / "state")
    if describe(stored) != facts["arrays"]:
        raise ValueError("the list of arrays reads back differently")
    wanted = dict(zip(facts["arrays"], facts["digest"], strict=True))
    for part in _parts(stored):
        leaves = jax.tree.leaves(_read(path / "state", stored, part))
        arrays = [leaf for leaf in leaves if leaf is not ocp.PLACEHOLDER]
        for name, checksum in zip(part, digest(arrays), strict=True):
            if checksum != wanted[name]:
                raise ValueError(f"{name} reads back differently")


def read_facts(path: AnyPath) -> dict[str, Any]:
    """The JSON that stands beside the arrays of a checkpoint, at a path that Orbax can use."""
    return ocp.JsonCheckpointHandler().restore(path / "facts", args=ocp.args.JsonRestore())


def first_words(error: Exception) -> str:
    """What an error of Orbax says, in at most 300 characters."""
    text = _DETAILS.split(str(error))[0] or type(error).__name__
    return textwrap.shorten(text, width=300, placeholder=" ...")


def _stored(directory: AnyPath) -> Any:
    """Shapes and dtypes of the arrays in a directory that Orbax wrote, in their tree."""
    return ocp.PyTreeCheckpointHandler().metadata(directory).tree


def _read(directory: AnyPath, stored: Any, names: Collection[str]) -> Any:
    """Reads the arrays of these names, as NumPy arrays; the others become placeholders."""
    item = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf if name_of(path) in names else ocp.PLACEHOLDER, stored
    )
    # As NumPy arrays, since the devices of the run may not be here.
    kinds = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), stored)
    args = ocp.args.PyTreeRestore(item=item, restore_args=kinds)
    return ocp.PyTreeCheckpointHandler().restore(directory, args=args)


def _parts(stored: Any) -> Iterator[list[str]]:
    """The names of all arrays, in parts that take little memory."""
    part, size = [], 0
    for path, leaf in jax.tree_util.tree_leaves_with_path(stored):
        part.append(name_of(path))
        size += math.prod(leaf.shape) * leaf.dtype.itemsize
        if size >= _PART:
            yield part
            part, size = [], 0
    yield part

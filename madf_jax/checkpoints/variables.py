"""Reading what paints from a checkpoint, and nothing of the optimizer's state."""

import dataclasses
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from madf_jax.checkpoints.integrity import describe, digest, require_arrays
from madf_jax.checkpoints.plain_path import plain_path
from madf_jax.checkpoints.reading import read_facts
from madf_jax.files import AnyPath
from madf_jax.state.train_state import inference_fields


@dataclasses.dataclass(frozen=True)
class InferenceVariables:
    """What paints.

    Attributes:
        step: of the checkpoint.
        variables: `params` and `batch_stats` of the network.
        averaged: whether `params` is the average of the parameters over the steps.
    """

    step: int
    variables: dict[str, Any]
    averaged: bool


def read_variables(path: AnyPath, abstract: Any) -> InferenceVariables:
    """Reads the variables that `inference_fields` names, onto the host.

    Args:
        path: of a checkpoint, `workdir/checkpoints/STEP`.
        abstract: shapes and dtypes of the network's `params` and `batch_stats`.

    Returns:
        The variables in the form of `abstract`, as NumPy arrays.

    Raises:
        UserError: the checkpoint holds another network.
        ValueError: the bytes of one of these arrays are not those that were saved. Damaged files
            make Orbax raise almost anything else.
    """
    with plain_path(path) as plain:
        facts = read_facts(plain)
        averaged = any(name.startswith("ema/") for name in facts["arrays"])
        fields = inference_fields(averaged=averaged)
        wanted = {fields[collection]: tree for collection, tree in abstract.items()}
        saved = {
            name: form for name, form in facts["arrays"].items() if name.partition("/")[0] in wanted
        }
        require_arrays(path, saved, describe(wanted))
        state = _read(plain / "state", wanted)
    checksums = dict(zip(facts["arrays"], facts["digest"], strict=True))
    if digest(state) != [checksums[name] for name in describe(state)]:
        raise ValueError("its bytes are not those that were saved")
    variables = {collection: state[field] for collection, field in fields.items()}
    return InferenceVariables(int(path.name), variables, averaged)


def _read(directory: AnyPath, wanted: Any) -> Any:
    kinds = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), wanted)
    args = ocp.args.PyTreeRestore(item=wanted, restore_args=kinds, partial_restore=True)
    return ocp.PyTreeCheckpointHandler().restore(directory, args=args)

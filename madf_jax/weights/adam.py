"""Adam's state between PyTorch's optimizer state dict and ours.

PyTorch numbers the generator's parameters in the order of `parameter_names`, buffers left out. The
encoder's unused batch norms have numbers but, never having had a gradient, no state.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.weights.checks import compare_shapes, shapes_of, summarize_names, whole_number
from madf_jax.weights.generator import Tree, checked_leaves, flatten
from madf_jax.weights.table import Row

SETTINGS = ("learning_rate", "b1", "b2", "eps")


@dataclasses.dataclass(frozen=True)
class Adam:
    """State and settings of plain Adam: no weight decay, no amsgrad.

    Attributes:
        mu: first moments, a tree like params, float32.
        nu: second moments.
        count: steps taken.
        learning_rate: this and the following default to the PyTorch reference's settings.
        b1: decay of `mu`.
        b2: decay of `nu`.
        eps: added to the root of `nu`.
    """

    mu: Tree
    nu: Tree
    count: int
    learning_rate: float = 2e-4
    b1: float = 0.9
    b2: float = 0.999
    eps: float = 1e-8

    def __post_init__(self) -> None:
        """Refuses settings that are no numbers."""
        for name in SETTINGS:
            if not math.isfinite(getattr(self, name)):
                raise UserError(f"Adam's {name} is {getattr(self, name)}, not a finite number")


@contextlib.contextmanager
def way_without() -> Iterator[None]:
    """Adds to a refusal of the optimizer's state how to do without it."""
    try:
        yield
    except UserError as error:
        raise UserError(
            f"{error}; the weights alone load without the optimizer's state: convert "
            "--no-optimizer, or --config.init.optimizer=False"
        ) from None


def adam_from_reference(optimizer: Any, rows: Sequence[Row]) -> Adam:
    """Our state from a state dict of `torch.optim.Adam`.

    Args:
        optimizer: `{'state': {number: {'step', 'exp_avg', 'exp_avg_sq'}}, 'param_groups': [...]}`;
            no state at all means no step taken.
        rows: the network's table.

    Raises:
        UserError: it is not the state of plain Adam over this network's parameters.
    """
    state, group = _state_and_group(optimizer)
    numbered = _numbered(group, rows)
    strange = [number for number in state if number not in numbered]
    if strange:
        names = summarize_names(map(repr, strange))
        raise UserError(f"gen_optimizer: has state of {names}, not in param_groups")
    parameters = {number: row for number, row in numbered.items() if row.collection == "params"}
    entries = {number: state[number] for number in parameters if number in state}
    return Adam(
        mu=_moment(entries, parameters, "exp_avg", squares=False),
        nu=_moment(entries, parameters, "exp_avg_sq", squares=True),
        count=_count(entries),
        **_settings(group),
    )


def _state_and_group(optimizer: Any) -> tuple[Mapping[Any, Any], Mapping[str, Any]]:
    try:
        state, (group,) = optimizer["state"], optimizer["param_groups"]
        fits = isinstance(state, Mapping) and isinstance(group["params"], list)
        fits = fits and all(isinstance(entry, Mapping) for entry in state.values())
    except (TypeError, KeyError, ValueError, IndexError):
        fits = False
    if not fits:
        raise UserError(
            "gen_optimizer: is no Adam state dict with 'state' and one of 'param_groups'"
        )
    return state, group


def _numbered(group: Mapping[str, Any], rows: Sequence[Row]) -> dict[int, Row]:
    parameters = [row for row in rows if row.is_parameter]
    numbers = group["params"]
    distinct = {number for number in numbers if type(number) is int}
    if len(numbers) != len(parameters) or len(distinct) != len(parameters):
        raise UserError(
            f"gen_optimizer: param_groups must number {len(parameters)} parameters, it has "
            f"{len(numbers)} entries, {len(distinct)} different numbers"
        )
    return dict(zip(numbers, parameters, strict=True))


def _moment(
    entries: Mapping[int, Mapping[str, Any]],
    parameters: Mapping[int, Row],
    key: str,
    *,
    squares: bool,
) -> Tree:
    if not entries:
        leaves = {row.path: np.zeros(row.shape, np.float32) for row in parameters.values()}
        return traverse_util.unflatten_dict(leaves, sep="/")
    label = {number: f"gen_optimizer {number} {key}" for number in parameters}
    found = {label[n]: entry[key] for n, entry in entries.items() if key in entry}
    wanted = {label[number]: row.reference_shape for number, row in parameters.items()}
    compare_shapes(shapes_of(found), wanted)
    leaves = {
        row.path: row.layout.to_ours(
            row.checked(label[number], found[label[number]], squares=squares), row.shape
        )
        for number, row in parameters.items()
    }
    return traverse_util.unflatten_dict(leaves, sep="/")


def _count(entries: Mapping[int, Mapping[str, Any]]) -> int:
    counts = {
        whole_number(f"gen_optimizer {number} step", entry.get("step"))
        for number, entry in entries.items()
    }
    if len(counts) > 1:
        raise UserError(f"gen_optimizer: parameters have different steps, {sorted(counts)[:2]}")
    return counts.pop() if counts else 0


def _settings(group: Mapping[str, Any]) -> dict[str, Any]:
    try:
        more = [key for key in ("weight_decay", "amsgrad", "maximize") if group.get(key)]
        b1, b2 = group["betas"]
        values = {"learning_rate": group["lr"], "b1": b1, "b2": b2, "eps": group["eps"]}
        settings = {key: float(value) for key, value in values.items()}
    except (KeyError, TypeError, ValueError):
        raise UserError("gen_optimizer: param_groups lacks numbers for lr, betas and eps") from None
    if more:
        raise UserError(f"gen_optimizer: {more[0]} is on; only plain Adam is supported")
    return settings


def adam_to_reference(adam: Adam, rows: Sequence[Row]) -> dict[str, Any]:
    """A state dict that `torch.optim.Adam.load_state_dict` takes, from our state.

    Raises:
        UserError: the moments are not those of this network's parameters.
    """
    parameters = [row for row in rows if row.is_parameter]
    moments = {
        "exp_avg": checked_leaves(flatten(adam.mu, "mu"), rows, "mu"),
        "exp_avg_sq": checked_leaves(flatten(adam.nu, "nu"), rows, "nu"),
    }
    # PyTorch keeps the step as a float32 tensor, one for each parameter.
    state = {
        number: {"step": np.asarray(adam.count, np.float32)}
        | {key: row.layout.to_reference(leaves[row.path]) for key, leaves in moments.items()}
        for number, row in enumerate(parameters)
        if row.collection == "params"
    }
    group = {
        "lr": adam.learning_rate,
        "betas": (adam.b1, adam.b2),
        "eps": adam.eps,
        "weight_decay": 0,
        "amsgrad": False,
        "params": list(range(len(parameters))),
    }
    return {"state": state, "param_groups": [group]}

"""What this package computes for a recorded case, with the functions that training uses.

Activations, outputs and losses are NHWC; gradients and statistics come by the reference's names in
its layout. Everything is computed in the precision that `precision` sets.
"""

import contextlib
import dataclasses
import functools
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import optax

from madf_jax.features.vgg import VGG16
from madf_jax.network.decoders import RecoveryLevel, RefinementLevel
from madf_jax.network.encoder import EncoderLevel
from madf_jax.objective.supervision import TERMS, Objective, output_terms, total_loss
from madf_jax.parity.case import Case
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer
from madf_jax.weights.generator import flatten
from madf_jax.weights.model import Weights
from madf_jax.weights.table import Row, parameter_names

Precision = Literal["float64", "float32", "bfloat16"]
Arrays = dict[str, np.ndarray]


@contextlib.contextmanager
def precision_of(precision: Precision) -> Iterator[None]:
    """Lets JAX compute in float64, or in true float32 on accelerators that would rather not."""
    with jax.enable_x64(precision == "float64"), jax.default_matmul_precision("highest"):
        yield


@dataclasses.dataclass(frozen=True)
class Step:
    """A training step: what was computed before its update.

    Attributes:
        outputs: of the cascade, in training mode.
        sums: each of `TERMS` summed over the outputs that it supervises, and 'total', weighted.
        gradients: of the total, by our paths; a tree like params.
        params: after the update.
        batch_stats: after the forward pass.
    """

    outputs: list[np.ndarray]
    sums: dict[str, float]
    gradients: Any
    params: Any
    batch_stats: Any


class Model:
    """The network of a case with its weights, the objective and the inputs.

    Must be made and used inside `precision_of` the same precision.
    """

    def __init__(self, case: Case, weights: Weights, precision: Precision) -> None:
        """Brings everything to the device.

        Args:
            case: inputs and the kind of supervision.
            weights: of any generator; with the VGG-16 trunk, or no features are compared.
            precision: 'bfloat16' computes in it with parameters in float32.
        """
        self._double = precision == "float64"
        dtype = jnp.float64 if self._double else jnp.float32
        self._network = weights.network.clone(
            param_dtype=dtype, dtype=jnp.bfloat16 if precision == "bfloat16" else None
        )
        self.objective = Objective(
            incremental_supervision=case.incremental_supervision,
            # What the reference does with more decoders is not known.
            style_indexing="release" if case.refinements <= 2 else "intended",
        )
        self.variables = on_device(weights.variables, dtype)
        self._vgg = None if weights.vgg is None else on_device({"params": weights.vgg}, dtype)
        self._image, self._mask = jnp.asarray(case.image, dtype), jnp.asarray(case.mask, dtype)
        self._target: Any = None
        self._terms = self._jit(self._output_terms)

    def infer(self) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        """The outputs in inference mode, and activations by the reference's names of modules."""

        def apply(variables: Any) -> Any:
            return self._network.apply(
                variables,
                self._image,
                self._mask,
                train=False,
                capture_intermediates=_is_level,
                mutable=["intermediates"],
            )

        outputs, captured = jax.device_get(self._jit(apply)(self.variables))
        return list(outputs), _activations(captured["intermediates"], outputs)

    def outputs_in_training(self) -> list[np.ndarray]:
        """The outputs in training mode, where no gradient is asked for."""

        def apply(variables: Any) -> Any:
            outputs, _ = self._network.apply(
                variables, self._image, self._mask, train=True, mutable=["batch_stats"]
            )
            return outputs

        return list(jax.device_get(self._jit(apply)(self.variables)))

    def losses(self, outputs: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Each term of each output, (J + 1,); terms of VGG features only with a trunk."""
        if self._vgg is not None and self._target is None:
            self._target = self._jit(_features)(self._vgg, self._image)
        each = [self._terms(output, self._vgg, self._target) for output in outputs]
        return {term: np.asarray([values[term] for values in each]) for term in each[0]}

    def train(self, steps: int) -> Iterator[Step]:
        """Steps of Adam as the PyTorch reference sets it, on the one batch."""
        tx = make_optimizer(OptimizerOptions(), steps)
        differentiate = self._jit(jax.value_and_grad(self._loss, has_aux=True))
        params, batch_stats = self.variables["params"], self.variables["batch_stats"]
        opt_state = tx.init(params)

        def update(gradients: Any, opt_state: Any, params: Any) -> tuple[Any, Any]:
            updates, opt_state = tx.update(gradients, opt_state, params)
            return optax.apply_updates(params, updates), opt_state

        update = self._jit(update)
        for _ in range(steps):
            (total, (sums, outputs, batch_stats)), gradients = differentiate(
                params, batch_stats, self._vgg
            )
            params, opt_state = update(gradients, opt_state, params)
            sums = {name: float(value) for name, value in {**sums, "total": total}.items()}
            yield Step(jax.device_get(outputs), sums, gradients, params, batch_stats)

    def by_reference_names(self, collection: str, tree: Any) -> Iterator[tuple[str, np.ndarray]]:
        """Arrays of a tree like params or batch_stats in the reference's layout, one by one."""
        leaves = flatten(tree, collection)
        for row in self.rows:
            if row.collection == collection:
                leaf = np.asarray(leaves[f"{collection}/{row.path}"])
                yield row.name, row.layout.to_reference(leaf)

    @property
    def rows(self) -> tuple[Row, ...]:
        """The table of names."""
        return parameter_names(self._network)

    def _loss(self, params: Any, batch_stats: Any, vgg: Any) -> tuple[jax.Array, Any]:
        outputs, updates = self._network.apply(
            {"params": params, "batch_stats": batch_stats},
            self._image,
            self._mask,
            train=True,
            mutable=["batch_stats"],
        )
        total, sums = total_loss(
            self.objective,
            outputs,
            self._image,
            self._mask,
            functools.partial(_features, vgg),
        )
        return total, (sums, list(outputs), updates["batch_stats"])

    def _output_terms(self, output: jax.Array, vgg: Any, target: Any) -> dict[str, jax.Array]:
        features = None if vgg is None else functools.partial(_features, vgg)
        return output_terms(output, self._image, self._mask, features, target)

    def _jit(self, function: Any) -> Any:
        # Products of matrices take the time, so the code around them need not be optimized.
        options = {"xla_backend_optimization_level": 0} if self._double else None
        return jax.jit(function, compiler_options=options)


def reference_sums(objective: Objective, losses: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Each term summed over the outputs it supervises, from each term of each output."""
    return {
        term: float(sum(losses[term][i] for i in objective.sources(term, len(losses[term]))))
        for term in TERMS
        if term in losses
    }


def _features(vgg_variables: Any, image: jax.Array) -> tuple[jax.Array, ...]:
    return VGG16().apply(vgg_variables, image)


def on_device(tree: Any, dtype: Any) -> Any:
    """A tree with its floats in `dtype`; counts stay integers."""

    def cast(leaf: Any) -> jax.Array:
        return jnp.asarray(leaf, None if np.asarray(leaf).dtype.kind == "i" else dtype)

    return jax.tree.map(cast, tree)


def _is_level(module: Any, method: str) -> bool:
    levels = (EncoderLevel, RecoveryLevel, RefinementLevel)
    return method == "__call__" and isinstance(module, levels)


def _activations(captured: Mapping[str, Any], outputs: Any) -> dict[str, np.ndarray]:
    """By the reference's names; each as it is after normalization and activation."""
    named: dict[str, np.ndarray] = {}
    for name, level in captured["encoder"].items():
        i = name.removeprefix("level_")
        features, mask_features, skip = level["__call__"][0]
        named |= {f"filter_gen_{i}": mask_features, f"enc_conv_{i}": features, f"enc_up_{i}": skip}
    for name, level in captured["recovery_decoder"].items():
        i = name.removeprefix("level_")
        named |= {f"deconv_{i}": level["upsampled"][0], f"att_conv_{i}": level["__call__"][0]}
    for j, output in enumerate(outputs[1:]):
        for name, level in captured[f"refinement_decoder_{j}"].items():
            named[f"dec_ref{j}_{name.removeprefix('level_')}"] = level["__call__"][0]
        named[f"dec_ref{j}_1"] = output
    return named

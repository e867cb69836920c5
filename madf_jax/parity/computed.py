"""What this package computes from a recorded case's inputs; `training` adds the training steps.

Outputs, activations and losses are NHWC. `Model.by_reference_names` lists the arrays of a tree like
`params` or `batch_stats` by the reference's names, in its layout.
"""

import contextlib
import functools
from collections.abc import Iterator, Mapping
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from madf_jax.features.vgg import VGG16
from madf_jax.network.decoders import RecoveryLevel, RefinementLevel
from madf_jax.network.encoder import EncoderLevel
from madf_jax.objective.supervision import TERMS, Objective, feature_terms, pixel_terms
from madf_jax.parity.case import Case
from madf_jax.weights.generator import flatten
from madf_jax.weights.model import Weights
from madf_jax.weights.table import parameter_names

Precision = Literal["float64", "float32", "bfloat16"]


@contextlib.contextmanager
def precision_of(precision: Precision) -> Iterator[None]:
    """Enables float64, or makes accelerators compute matmuls in full float32."""
    with jax.enable_x64(precision == "float64"), jax.default_matmul_precision("highest"):
        yield


class Model:
    """The network of a case with its weights, objective and inputs.

    Construct and use it inside `precision_of` the same precision.

    Attributes:
        network: without a mapped axis.
        objective: as the reference supervised the case.
        variables: `params` and `batch_stats`.
        vgg: variables of VGG-16, or None.
        image: (N, H, W, 3), ImageNet-normalized, float64 or float32.
        mask: (N, H, W, 1), uint8, 1 = known.
        compiler_options: for programs in this precision.
    """

    def __init__(self, case: Case, weights: Weights, precision: Precision) -> None:
        """Converts the weights and the inputs to `precision`.

        Args:
            case: inputs and supervision.
            weights: of any generator. VGG features are compared only if they include VGG-16.
            precision: 'bfloat16' computes in bfloat16 with float32 parameters.
        """
        double = precision == "float64"
        dtype = jnp.float64 if double else jnp.float32
        self.network = weights.network.clone(
            param_dtype=dtype, dtype=jnp.bfloat16 if precision == "bfloat16" else None
        )
        self.objective = Objective(
            incremental_supervision=case.incremental_supervision,
            # What the reference does with more decoders is not known.
            style_indexing="release" if case.refinements <= 2 else "intended",
        )
        self.variables = on_device(weights.variables, dtype)
        self.vgg = None if weights.vgg is None else on_device({"params": weights.vgg}, dtype)
        self.image, self.mask = case.image.astype(dtype), case.mask
        # Matmuls dominate in float64, so optimizing the code around them does not pay.
        self.compiler_options = {"xla_backend_optimization_level": 0} if double else None
        self._target: Any = None
        self._terms = self._jit(_output_terms)

    def infer(self) -> tuple[list[np.ndarray], dict[str, np.ndarray]]:
        """The outputs in inference mode, and the activations by the reference's module names."""
        outputs, captured = self._apply(
            train=False, capture_intermediates=_is_level, mutable=["intermediates"]
        )
        return list(outputs), _activations(captured["intermediates"], outputs)

    def outputs_in_training(self) -> list[np.ndarray]:
        """The outputs in training mode."""
        outputs, _ = self._apply(train=True, mutable=["batch_stats"])
        return list(outputs)

    def losses(self, outputs: list[np.ndarray]) -> dict[str, np.ndarray]:
        """Each term of each output, (J + 1,); without VGG-16 only those that do not need it."""
        if self.vgg is not None and self._target is None:
            self._target = self._jit(_features)(self.vgg, self.image)
        each = [
            self._terms(output, self.image, self.mask, self.vgg, self._target) for output in outputs
        ]
        return {term: np.asarray([values[term] for values in each]) for term in each[0]}

    def by_reference_names(self, collection: str, tree: Any) -> Iterator[tuple[str, np.ndarray]]:
        """Name and array of each leaf of a tree like `params` or `batch_stats`, one at a time."""
        leaves = flatten(tree, collection)
        for row in parameter_names(self.network):
            if row.collection == collection:
                leaf = np.asarray(leaves[f"{collection}/{row.path}"])
                yield row.name, row.layout.to_reference(leaf)

    def _apply(self, **options: Any) -> Any:
        def apply(variables: Any, image: jax.Array, mask: jax.Array) -> Any:
            return self.network.apply(variables, image, mask, **options)

        return jax.device_get(self._jit(apply)(self.variables, self.image, self.mask))

    def _jit(self, function: Any) -> Any:
        return jax.jit(function, compiler_options=self.compiler_options)


def _output_terms(
    output: jax.Array, image: jax.Array, mask: jax.Array, vgg: Any, target: Any
) -> dict[str, jax.Array]:
    mask = mask.astype(image.dtype)
    values = pixel_terms(output, image, mask)
    if vgg is None:
        return values
    features = functools.partial(_features, vgg)
    return values | feature_terms(output, image, mask, features, target)


def reference_sums(objective: Objective, losses: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Each term summed over the outputs it supervises, from each term of each output."""
    return {
        term: float(
            sum(losses[term][i] for i in objective.supervised_outputs(term, len(losses[term])))
        )
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

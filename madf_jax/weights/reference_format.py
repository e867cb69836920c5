"""The PyTorch reference's checkpoints: `{'n_iter', 'model', 'gen_optimizer'}`.

Its own loader takes what is written here. Two more entries, which it ignores, hold averaged
parameters as a second state dict, 'ema', and the description of the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights.adam import adam_from_reference, adam_to_reference, way_without
from madf_jax.weights.checks import whole_number
from madf_jax.weights.description import infer_network
from madf_jax.weights.generator import Tree, from_reference, to_reference, without_prefixes
from madf_jax.weights.model import Weights
from madf_jax.weights.table import parameter_names
from madf_jax.weights.vgg import vgg_from_names, vgg_to_reference

OPTIMIZER = "gen_optimizer"


def from_reference_checkpoint(
    content: Mapping[str, Any], network: MADF | None, metadata: Mapping[str, Any]
) -> Weights:
    """Weights from a checkpoint of the PyTorch reference, or from its bare state dict.

    Args:
        content: names may have the prefixes `module.model.` and `module.extractor.`; other entries
            of a checkpoint are ignored.
        network: by the file's description; None infers it from the shapes.
        metadata: likewise.

    Raises:
        UserError: names or shapes are not the network's, or a value is no weight.
    """
    nested = isinstance(content.get("model"), Mapping)
    checkpoint = content if nested else {"model": content}
    model = without_prefixes(checkpoint["model"])
    generator = {name: value for name, value in model.items() if not name.startswith("extractor.")}
    if network is None:
        # What is no tensor is refused by name below, if the names are a generator's at all.
        shapes = {name: tuple(getattr(value, "shape", ())) for name, value in generator.items()}
        network = infer_network(shapes)
    adam, ema = checkpoint.get(OPTIMIZER), checkpoint.get("ema")
    if adam is not None:
        with way_without():
            adam = adam_from_reference(adam, parameter_names(network))
    return Weights(
        network,
        **from_reference(generator, network),
        step=whole_number("n_iter", checkpoint["n_iter"]) if "n_iter" in checkpoint else None,
        adam=adam,
        ema=None if ema is None else _averaged(ema, network),
        vgg=vgg_from_names(model),
        metadata=metadata,
    )


def _averaged(state_dict: Any, network: MADF) -> Tree:
    if not isinstance(state_dict, Mapping):
        raise UserError(f"'ema' is a {type(state_dict).__name__}, not a state dict")
    params: Tree = from_reference(without_prefixes(state_dict), network)["params"]
    return params


def to_reference_checkpoint(weights: Weights, *, prefixes: bool) -> dict[str, Any]:
    """A checkpoint of the PyTorch reference.

    Args:
        weights: what it holds.
        prefixes: put `module.model.` and `module.extractor.` before its names.

    Raises:
        UserError: the weights are not their network's, or a value is no weight.
    """
    wrapper, generator = ("module.", "module.model.") if prefixes else ("", "")
    model = to_reference(weights.trained_variables, weights.network, generator)
    if weights.vgg is not None:
        model |= vgg_to_reference(weights.vgg, wrapper)
    # The reference needs a number of iterations; without one it is 0.
    content: dict[str, Any] = {"n_iter": int(weights.step or 0), "model": model}
    if weights.adam is not None:
        content[OPTIMIZER] = adam_to_reference(weights.adam, parameter_names(weights.network))
    if weights.ema is not None:
        content["ema"] = to_reference(weights.variables, weights.network, generator)
    return content

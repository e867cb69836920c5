"""The PyTorch reference on the same inputs, run from a checkout that the user has."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from madf_jax.benchmark.programs import OBJECTIVE
from madf_jax.files import require_directory
from madf_jax.network import normalize
from madf_jax.parity.checkout import reference_network
from madf_jax.weights.torch_files import import_torch

_DEPTH, _REFINEMENTS = 7, 2


def reference_inference(directory: Path, image: np.ndarray, mask: np.ndarray) -> Callable[[], Any]:
    """Its network in inference mode.

    Args:
        directory: the checkout.
        image: (N, H, W, 3), uint8.
        mask: (N, H, W, 1), uint8, 1 = known.

    Raises:
        UserError: PyTorch is missing, or the checkout has no generator.
    """
    torch, network, image, known = _prepare(directory, image, mask)
    network.eval()

    def run() -> Any:
        with torch.no_grad():
            return network(image * known, known)

    return run


def reference_training(directory: Path, image: np.ndarray, mask: np.ndarray) -> Callable[[], Any]:
    """Its training step with `OBJECTIVE` and Adam; arguments as `reference_inference`."""
    torch, network, image, known = _prepare(directory, image, mask)
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4)
    hole = 1 - known

    def run() -> Any:
        optimizer.zero_grad()
        outputs = network(image * known, known)
        loss = sum(
            OBJECTIVE.valid * (known * (output - image)).abs().mean()
            + OBJECTIVE.hole * (hole * (output - image)).abs().mean()
            for output in outputs
        )
        composite = known * image + hole * outputs[-1]
        for difference in (
            composite[..., 1:] - composite[..., :-1],
            composite[..., 1:, :] - composite[..., :-1, :],
        ):
            loss = loss + OBJECTIVE.tv * difference.abs().mean()
        loss.backward()
        optimizer.step()
        return loss.item()

    return run


def make_network(directory: Path) -> tuple[Any, Any]:
    """PyTorch and the network of the published size; errors as `reference_inference`."""
    require_directory(directory, "--reference")  # a wrong path is reported without PyTorch, too
    return import_torch(), reference_network(directory, _DEPTH, _REFINEMENTS)


def _prepare(directory: Path, image: np.ndarray, mask: np.ndarray) -> tuple[Any, Any, Any, Any]:
    torch, network = make_network(directory)
    image = torch.tensor(np.asarray(normalize(jnp.asarray(image))).transpose(0, 3, 1, 2).copy())
    known = torch.tensor(mask.transpose(0, 3, 1, 2).repeat(3, axis=1)).float()
    return torch, network, image, known

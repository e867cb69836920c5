"""The PyTorch reference on the same inputs, run from a checkout that the user has."""

import contextlib
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import jax.numpy as jnp
import numpy as np

from madf_jax.benchmark.programs import OBJECTIVE
from madf_jax.files import require_directory
from madf_jax.network import normalize
from madf_jax.parity.checkout import reference_network
from madf_jax.weights.torch_files import import_torch

_DEPTH, _REFINEMENTS = 7, 2


@dataclasses.dataclass(frozen=True)
class Form:
    """How it runs.

    Attributes:
        device: of PyTorch.
        tuned: with channels last, autocast to bfloat16 and cuDNN's search for fast algorithms;
            else as it is, in float32. (For convolutions on a GPU that is TF32, PyTorch's default.)
    """

    device: Literal["cpu", "cuda"] = "cpu"
    tuned: bool = False

    def autocast(self) -> contextlib.AbstractContextManager[object]:
        """For the forward pass and the loss."""
        torch = import_torch()
        return (
            torch.autocast(self.device, torch.bfloat16) if self.tuned else contextlib.nullcontext()
        )

    def finish(self) -> None:
        """Waits for what was started on a GPU."""
        if self.device == "cuda":
            import_torch().cuda.synchronize()

    def peak_memory(self) -> int | None:
        """Bytes that PyTorch held at most on the GPU since the network was made."""
        if self.device == "cpu":
            return None
        return int(import_torch().cuda.max_memory_allocated())

    def place(self, *tensors: Any) -> list[Any]:
        """The network or tensors (N, C, H, W), on the device and in the layout."""
        torch = import_torch()
        layout = torch.channels_last if self.tuned else torch.contiguous_format
        return [tensor.to(self.device, memory_format=layout) for tensor in tensors]


_PLAIN = Form()


def reference_inference(
    directory: Path, image: np.ndarray, mask: np.ndarray, form: Form = _PLAIN
) -> Callable[[], Any]:
    """Its network in inference mode.

    Args:
        directory: the checkout.
        image: (N, H, W, 3), uint8.
        mask: (N, H, W, 1), uint8, 1 = known.
        form: how it runs.

    Raises:
        UserError: PyTorch is missing, or the checkout has no generator.
    """
    torch, network, image, known = _prepare(directory, image, mask, form)
    network.eval()

    def run() -> Any:
        with torch.no_grad(), form.autocast():
            outputs = network(image * known, known)
        form.finish()
        return outputs

    return run


def reference_training(
    directory: Path, image: np.ndarray, mask: np.ndarray, form: Form = _PLAIN
) -> Callable[[], Any]:
    """Its training step with `OBJECTIVE` and Adam; arguments as `reference_inference`."""
    torch, network, image, known = _prepare(directory, image, mask, form)
    network.train()
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-4)

    def run() -> Any:
        optimizer.zero_grad()
        with form.autocast():
            loss = _loss(network(image * known, known), image, known)
        loss.backward()
        optimizer.step()
        return loss.item()  # waits for the GPU

    return run


def make_network(directory: Path) -> tuple[Any, Any]:
    """PyTorch and the network of the published size; errors as `reference_inference`."""
    require_directory(directory, "--reference")  # a wrong path is reported without PyTorch, too
    return import_torch(), reference_network(directory, _DEPTH, _REFINEMENTS)


def _prepare(
    directory: Path, image: np.ndarray, mask: np.ndarray, form: Form
) -> tuple[Any, Any, Any, Any]:
    torch, network = make_network(directory)
    if form.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        torch.backends.cudnn.benchmark = form.tuned
    image = torch.tensor(np.asarray(normalize(jnp.asarray(image))).transpose(0, 3, 1, 2).copy())
    known = torch.tensor(mask.transpose(0, 3, 1, 2).repeat(3, axis=1)).float()
    return torch, *form.place(network, image, known)


def _loss(outputs: Any, image: Any, known: Any) -> Any:
    hole = 1 - known
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
    return loss

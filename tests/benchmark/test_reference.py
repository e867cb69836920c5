"""With a stand-in that only has the form of the PyTorch reference's network."""

import textwrap

import numpy as np
import pytest

from madf_jax.benchmark.reference import Form, reference_inference, reference_training

pytestmark = pytest.mark.torch

STUB = """
import torch

class MADFNet(torch.nn.Module):
    def __init__(self, args, layer_size):
        super().__init__()
        self.count = args.n_refinement_D + 1
        self.shift = torch.nn.Parameter(torch.full((), 5.0))

    def forward(self, image, mask):
        assert (image[mask == 0] == 0).all()
        self.seen = self.training
        return [image + index * self.shift + self.shift for index in range(self.count)]
"""


@pytest.fixture
def checkout(tmp_path):
    pytest.importorskip("torch")
    (tmp_path / "net.py").write_text(textwrap.dedent(STUB))
    return tmp_path


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    mask = (rng.random((1, 8, 8, 1)) > 0.4).astype(np.uint8)
    return rng.integers(0, 256, (1, 8, 8, 3), np.uint8), mask


def test_inference_runs_all_decoders(checkout, arrays):
    outputs = reference_inference(checkout, *arrays)()
    assert [tuple(output.shape) for output in outputs] == [(1, 3, 8, 8)] * 3
    assert not any(output.requires_grad for output in outputs)


def test_training_takes_steps_on_reconstruction_and_total_variation(checkout, arrays):
    run = reference_training(checkout, *arrays)
    losses = [run() for _ in range(40)]
    assert losses[-1] < losses[0]


def test_autocast_computes_in_bfloat16_with_channels_last(checkout, arrays):
    form, network = Form(tuned=True), checkout / "net.py"
    averaged = "image = (image @ torch.ones(8, 8) / 8).float()"
    network.write_text(STUB.replace("self.seen = self.training", averaged))
    plain = reference_inference(checkout, *arrays)()
    checked = f"assert image.is_contiguous(memory_format=torch.channels_last); {averaged}"
    network.write_text(STUB.replace("self.seen = self.training", checked))
    outputs = reference_inference(checkout, *arrays, form)()
    assert 0 < (outputs[0] - plain[0]).abs().max() < 0.05
    assert form.peak_memory() is None
    run = reference_training(checkout, *arrays, form)
    losses = [run() for _ in range(40)]
    assert losses[-1] < losses[0]

"""With a stand-in for the PyTorch reference that has its form and computes something else."""

import sys
import textwrap

import numpy as np
import pytest
from PIL import Image

from madf_jax.__main__ import main
from madf_jax.parity.rule import rule_weights
from madf_jax.weights import save

STUB = """
import torch
from torchvision import models
from madf_jax.network import MADF
from madf_jax.weights.table import parameter_names

class MADFNet(torch.nn.Module):
    def __init__(self, args, layer_size):
        super().__init__()
        n_refinement = args.n_refinement_D
        self.count = n_refinement + 1
        for row in parameter_names(MADF(depth=layer_size, refinements=n_refinement)):
            *parents, leaf = row.name.split(".")
            module = self
            for parent in parents:
                if not hasattr(module, parent):
                    module.add_module(parent, torch.nn.Module())
                module = getattr(module, parent)
            module.register_buffer(leaf, torch.zeros(row.reference_shape))

    def train(self, mode=True):
        super().train(mode)  # as the PyTorch reference, which does not return itself

    def forward(self, image, mask):
        assert not self.training and image.shape[1] == mask.shape[1] == 3
        assert (image[mask == 0] == 0).all()
        return [image + index for index in range(self.count)]
"""


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "w.npz"
    save(path, rule_weights("", 3, 1))
    return path


@pytest.fixture
def checkout(tmp_path):
    path = tmp_path / "checkout"
    path.mkdir()
    (path / "net.py").write_text(textwrap.dedent(STUB))
    return path


def compare(checkout, weights, *more):
    arguments = ["--reference", checkout, "--weights", weights, *more]
    return main(["compare", *map(str, arguments)])


@pytest.mark.torch
@pytest.mark.parametrize("double", [(), ("--float64",)])
def test_both_networks_run_on_one_input(checkout, weights, tmp_path, capsys, double):
    pytest.importorskip("torch")
    before = set(sys.modules), list(sys.path)
    Image.fromarray(np.full((30, 20, 3), 90, np.uint8)).save(tmp_path / "i.png")
    Image.fromarray(np.eye(40, dtype=np.uint8) * 255).save(tmp_path / "m.png")
    files = ("--image", tmp_path / "i.png", "--mask", tmp_path / "m.png")
    assert compare(checkout, weights, *files, "--size", 32, "--output", tmp_path, *double) == 0
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed[:2]] == ["output 0", "output 1"]
    assert "median time" in printed[2]
    assert "amplified" in printed[3]
    with Image.open(tmp_path / "comparison.png") as image:
        assert image.size == (4 * 32, 32 + 16)
    assert "net" not in sys.modules
    assert sys.path == before[1]


@pytest.mark.torch
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("self.count = n_refinement + 1", "self.count = 1"), "has 1 outputs, not 2"),
        (("register_buffer(leaf, ", "register_buffer(leaf + 'x', "), "does not accept the weights"),
        (("n_refinement_D", "decoders"), "can't be constructed"),
        (("import torch\n", "import torch, no_such_module\n"), "can't be constructed"),
    ],
)
def test_another_reference_is_reported_in_one_line(checkout, weights, capsys, change, message):
    pytest.importorskip("torch")
    (checkout / "net.py").write_text(STUB.replace(*change))
    assert compare(checkout, weights, "--size", 16) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.torch
def test_a_wrong_size_and_a_directory_without_a_generator_are_refused(
    checkout, weights, tmp_path, capsys
):
    pytest.importorskip("torch")
    assert compare(checkout, weights, "--size", 20) == 1
    assert "multiple of 8" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert compare(tmp_path / "empty", weights, "--size", 16) == 1
    assert "lacks net.py" in capsys.readouterr().err


def test_without_pytorch_the_extra_is_named(checkout, weights, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert compare(checkout, weights, "--size", 16) == 1
    assert ".[torch]" in capsys.readouterr().err

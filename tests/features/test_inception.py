import jax
import numpy as np
import pytest

from madf_jax.features.inception import FEATURES, Inception
from madf_jax.weights.inception import load_inception
from madf_jax.weights.tensor_files import write_tensors
from tests.features.torch_inception import TorchInception


def test_shapes():
    features, variables = jax.eval_shape(
        lambda: Inception().init_with_output(jax.random.key(0), np.zeros((2, 299, 299, 3)))
    )
    assert features.shape == (2, FEATURES)
    # 94 convolutions; torchvision counts 21,785,568 parameters without its classifiers, of which
    # 17,216 are the scales that are folded away.
    assert len(jax.tree.leaves(variables)) == 2 * 94
    assert sum(leaf.size for leaf in jax.tree.leaves(variables)) == 21_768_352


@pytest.mark.torch
def test_features_are_those_of_pytorch_on_random_weights(tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    image = np.random.default_rng(1).uniform(-1, 1, (2, 299, 299, 3)).astype(np.float32)
    network = TorchInception(torch)
    with torch.no_grad():
        expected = network(torch.from_numpy(image.transpose(0, 3, 1, 2).copy())).numpy()
    counted = {"Conv2d_1a_3x3.bn.num_batches_tracked": np.asarray(0)}
    classifier = {"fc.weight": np.zeros((1008, 2048), np.float32)}
    write_tensors(tmp_path / "inception.pth", network.weights | counted | classifier)
    variables = load_inception(tmp_path / "inception.pth").variables
    found = jax.jit(Inception().apply)(variables, image)
    # Features of about 1; most differ from 0, so that none is right by being empty.
    assert np.mean(expected > 0) > 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)

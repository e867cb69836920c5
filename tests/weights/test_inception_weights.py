import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.weights import inception
from madf_jax.weights.inception import load_inception
from madf_jax.weights.tensor_files import write_tensors

# Some layers of each kind of block, by our names, torchvision's and the TorchScript file's.
NAMES = {
    "Conv2d_1a_3x3": ("Conv2d_1a_3x3", "conv"),
    "Conv2d_4a_3x3": ("Conv2d_4a_3x3", "conv_4"),
    "Mixed_5b/branch1x1": ("Mixed_5b.branch1x1", "mixed.conv"),
    "Mixed_5b/branch5x5_2": ("Mixed_5b.branch5x5_2", "mixed.tower.conv_1"),
    "Mixed_5d/branch3x3dbl_1": ("Mixed_5d.branch3x3dbl_1", "mixed_2.tower_1.conv"),
    "Mixed_5d/branch_pool": ("Mixed_5d.branch_pool", "mixed_2.tower_2.conv"),
    "Mixed_6a/branch3x3": ("Mixed_6a.branch3x3", "mixed_3.conv"),
    "Mixed_6a/branch3x3dbl_3": ("Mixed_6a.branch3x3dbl_3", "mixed_3.tower.conv_2"),
    "Mixed_6b/branch1x1": ("Mixed_6b.branch1x1", "mixed_4.conv"),
    "Mixed_6e/branch7x7_2": ("Mixed_6e.branch7x7_2", "mixed_7.tower.conv_1"),
    "Mixed_6e/branch7x7dbl_5": ("Mixed_6e.branch7x7dbl_5", "mixed_7.tower_1.conv_4"),
    "Mixed_6e/branch_pool": ("Mixed_6e.branch_pool", "mixed_7.tower_2.conv"),
    "Mixed_7a/branch3x3_2": ("Mixed_7a.branch3x3_2", "mixed_8.tower.conv_1"),
    "Mixed_7a/branch7x7x3_4": ("Mixed_7a.branch7x7x3_4", "mixed_8.tower_1.conv_3"),
    "Mixed_7b/branch1x1": ("Mixed_7b.branch1x1", "mixed_9.conv"),
    "Mixed_7b/branch3x3_1": ("Mixed_7b.branch3x3_1", "mixed_9.tower_conv"),
    "Mixed_7b/branch3x3_2b": ("Mixed_7b.branch3x3_2b", "mixed_9.tower_mixed_conv_1"),
    "Mixed_7c/branch3x3dbl_2": ("Mixed_7c.branch3x3dbl_2", "mixed_10.tower_1_conv_1"),
    "Mixed_7c/branch3x3dbl_3a": ("Mixed_7c.branch3x3dbl_3a", "mixed_10.tower_1_mixed_conv"),
    "Mixed_7c/branch_pool": ("Mixed_7c.branch_pool", "mixed_10.tower_2_conv"),
}
TORCHVISION = {
    **{"kernel": "conv.weight", "scale": "bn.weight", "bias": "bn.bias"},
    **{"mean": "bn.running_mean", "variance": "bn.running_var"},
}
TENSORFLOW = {"kernel": "weight", "bias": "beta", "mean": "mean", "variance": "var"}


@pytest.fixture
def parts(monkeypatch):
    """A network of those layers alone, 3 channels to 4 each; the parts of each layer."""
    shapes = {f"{name}/kernel": (1, 3, 3, 4) for name in NAMES}
    shapes |= {f"{name}/bias": (4,) for name in NAMES}
    monkeypatch.setattr(inception, "_shapes", lambda: shapes)
    generator = np.random.default_rng(0)
    return {
        name: {
            "kernel": generator.standard_normal((4, 3, 1, 3), np.float32),
            "scale": np.ones(4, np.float32),
            "bias": generator.standard_normal(4, np.float32),
            "mean": generator.standard_normal(4, np.float32),
            "variance": generator.random(4, np.float32) + 0.1,
        }
        for name in NAMES
    }


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "madf_jax"


def by_torchvision(parts):
    return {
        f"{NAMES[layer][0]}.{TORCHVISION[part]}": value
        for layer, values in parts.items()
        for part, value in values.items()
    }


def by_tensorflow(parts):
    return {
        f"layers.{NAMES[layer][1]}.{TENSORFLOW[part]}": value
        for layer, values in parts.items()
        for part, value in values.items()
        if part != "scale"
    }


def test_normalization_is_folded_into_kernel_and_bias(parts, tmp_path):
    for values in parts.values():
        values["scale"] = np.linspace(0.5, 2, 4, dtype=np.float32)
    write_tensors(tmp_path / "w.npz", by_torchvision(parts))
    params = load_inception(tmp_path / "w.npz").variables["params"]
    x = np.random.default_rng(1).standard_normal((5, 1, 3, 3))
    for block, branch in (name.split("/") for name in NAMES if "/" in name):
        values = parts[f"{block}/{branch}"]
        products = np.einsum("nijc,ocij->no", x, values["kernel"].astype(np.float64))
        spread = np.sqrt(values["variance"] + 0.001)
        expected = (products - values["mean"]) / spread * values["scale"] + values["bias"]
        layer = params[block][branch]
        found = np.einsum("nijc,ijco->no", x, layer["kernel"]) + layer["bias"]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_both_published_files_give_the_same_weights(parts, tmp_path, assert_identical):
    write_tensors(tmp_path / "one.npz", by_torchvision(parts))
    write_tensors(tmp_path / "other.safetensors", by_tensorflow(parts))
    one, other = (
        load_inception(tmp_path / "one.npz"),
        load_inception(tmp_path / "other.safetensors"),
    )
    assert one.sha256 == other.sha256
    assert_identical(one.variables, other.variables)
    parts["Mixed_7c/branch_pool"]["bias"][3] += 1e-3
    write_tensors(tmp_path / "third.npz", by_torchvision(parts))
    assert load_inception(tmp_path / "third.npz").sha256 != one.sha256


@pytest.mark.torch
def test_a_pytorch_file_is_converted_once_and_kept(parts, tmp_path, cache, monkeypatch):
    pytest.importorskip("torch")
    write_tensors(tmp_path / "w.pth", by_torchvision(parts))
    converted = load_inception(tmp_path / "w.pth")
    (kept,) = cache.iterdir()
    monkeypatch.setattr("madf_jax.weights.torch_files.open_torch", None)
    assert load_inception(tmp_path / "w.pth").sha256 == converted.sha256
    assert load_inception(kept).sha256 == converted.sha256


@pytest.mark.torch
def test_a_damaged_conversion_is_replaced_and_a_cache_that_cannot_be_written_is_no_error(
    parts, tmp_path, cache, monkeypatch, log_lines
):
    pytest.importorskip("torch")
    write_tensors(tmp_path / "w.pth", by_torchvision(parts))
    converted = load_inception(tmp_path / "w.pth")
    (kept,) = cache.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:-7])
    assert load_inception(tmp_path / "w.pth").sha256 == converted.sha256
    assert kept.read_bytes() == whole
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "w.pth"))
    assert load_inception(tmp_path / "w.pth").sha256 == converted.sha256
    assert any("can't be kept" in line for line in log_lines)


def test_the_network_of_torchvision_is_refused(parts, tmp_path):
    more = {"fc.weight": np.zeros((1000, 8), np.float32)}
    write_tensors(tmp_path / "w.npz", by_torchvision(parts) | more)
    with pytest.raises(UserError, match=r"w\.npz: holds an Inception v3 of 1000 classes"):
        load_inception(tmp_path / "w.npz")
    more = {"fc.weight": np.zeros((1008, 8), np.float32)}
    write_tensors(tmp_path / "w.npz", by_torchvision(parts) | more)
    load_inception(tmp_path / "w.npz")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda a: a.clear() or a.update(x=np.zeros(3)), "holds no Inception v3; its names"),
        (
            lambda a: a.pop("Mixed_5b.branch1x1.bn.bias"),
            r"missing: 'Mixed_5b\.branch1x1\.bn\.bias'",
        ),
        (lambda a: a["Mixed_5b.branch1x1.bn.running_var"].fill(-1), "holds negative values"),
        (lambda a: a["Mixed_5b.branch1x1.conv.weight"].fill(np.nan), "holds NaN"),
    ],
)
def test_wrong_weights_are_refused(parts, tmp_path, damage, message):
    arrays = by_torchvision(parts)
    damage(arrays)
    write_tensors(tmp_path / "w.npz", arrays)
    with pytest.raises(UserError, match=rf"w\.npz: .*{message}"):
        load_inception(tmp_path / "w.npz")


def test_every_layer_has_its_own_names():
    layers = [name.removesuffix("/kernel") for name in inception._shapes() if "kernel" in name]
    assert len(layers) == 94
    for names_of in (inception._torchvision_names, inception._tensorflow_names):
        assert len({name for layer in layers for name in names_of(layer).values()}) == 94 * len(
            names_of(layers[0])
        )

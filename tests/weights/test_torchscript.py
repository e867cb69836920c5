"""TorchScript archives, written by PyTorch and by hand, read without it."""

import pickle
import zipfile

import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.weights import torch_files
from madf_jax.weights.tensor_files import open_tensors

SIX = np.arange(6, dtype=np.float32)


def never(*_):
    raise AssertionError("PyTorch was used")


@pytest.fixture
def module(monkeypatch):
    """Nested modules with a parameter, buffers of several dtypes, a view and a shared storage."""
    torch = pytest.importorskip("torch")
    root, inner = torch.nn.Module(), torch.nn.Module()
    torch.manual_seed(0)
    inner.weight = torch.nn.Parameter(torch.randn(4, 3, 2, 5))
    inner.register_buffer("halves", torch.randn(3).half())
    inner.register_buffer("steps", torch.arange(5))
    table = torch.randn(6, 7)
    root.register_buffer("table", table)
    root.register_buffer("turned", table.T[2:5])
    root.register_buffer("scalar", torch.tensor(2.5))
    root.inner = inner
    return root


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_tensors_come_by_the_names_of_the_state_dict_without_pytorch(module, tmp_path, monkeypatch):
    torch = pytest.importorskip("torch")
    torch.jit.script(module).save(str(tmp_path / "module.pt"))
    monkeypatch.setattr(torch_files, "import_torch", never)
    with open_tensors(tmp_path / "module.pt") as content:
        found = {name: np.asarray(tensor) for name, tensor in content.tensors.items()}
    expected = {name: value.numpy() for name, value in module.state_dict().items()}
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert found[name].dtype == value.dtype
        np.testing.assert_array_equal(found[name], value)


class Tensor:
    """Pickled as PyTorch pickles a tensor of floats."""

    def __init__(self, offset=0, shape=(2, 3), strides=(3, 1), key="0"):
        self.arguments = (("storage", Name("torch", "FloatStorage"), key, "cpu", 6), offset, shape)
        self.arguments += (strides, False, Name("collections", "OrderedDict"))


class Name:
    def __init__(self, module, name):
        self.module, self.name = module, name


def pickled(attributes):
    """A module of these attributes as a pickle of protocol 0 and 2 codes, built by hand."""

    def write(value):
        if isinstance(value, Name):
            return f"c{value.module}\n{value.name}\n".encode()
        if isinstance(value, Tensor):
            storage, *rest = value.arguments
            parts = b"".join(map(write, rest))
            rebuild = write(Name("torch._utils", "_rebuild_tensor_v2"))
            return rebuild + b"(" + write(storage) + b"Q" + parts + b"tR"
        if isinstance(value, tuple):
            return b"(" + b"".join(map(write, value)) + b"t"
        return pickle.dumps(value, 0)[:-1]

    items = b"".join(write(key) + write(value) for key, value in attributes.items())
    return b"\x80\x02" + write(Name("__torch__.m", "Module")) + b")\x81}(" + items + b"ub."


def archive(path, attributes, *, compress=(), **more):
    members = {"data.pkl": pickled(attributes), "constants.pkl": b"", "data/0": SIX.tobytes()}
    with zipfile.ZipFile(path, "w") as file:
        for name, content in (members | more).items():
            kind = zipfile.ZIP_DEFLATED if name in compress else zipfile.ZIP_STORED
            file.writestr(zipfile.ZipInfo(f"m/{name}"), content, compress_type=kind)


def read(path):
    with open_tensors(path) as content:
        return {name: np.asarray(tensor) for name, tensor in content.tensors.items()}


def test_an_archive_by_hand_is_read(tmp_path):
    archive(tmp_path / "m.pt", {"a": Tensor(), "b": Tensor(1, (2, 2), (1, 3)), "training": True})
    found = read(tmp_path / "m.pt")
    np.testing.assert_array_equal(found["a"], [[0, 1, 2], [3, 4, 5]])
    np.testing.assert_array_equal(found["b"], [[1, 4], [2, 5]])
    assert found.keys() == {"a", "b"}


@pytest.mark.parametrize(
    "name", [("os", "system"), ("builtins", "eval"), ("torch", "load"), ("torch._utils", "_x")]
)
def test_no_name_but_those_of_tensors_is_looked_up(tmp_path, name):
    archive(tmp_path / "m.pt", {"a": Name(*name)})
    with pytest.raises(UserError, match=rf"m\.pt: asks for {name[0]}\.{name[1]}, more than"):
        read(tmp_path / "m.pt")


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (Tensor(offset=1), "'a' reaches beyond its data"),
        (Tensor(strides=(4, 1)), "'a' reaches beyond its data"),
        (Tensor(offset=-1), "'a' declares an impossible place"),
        (Tensor(strides=(3, -1)), "'a' declares an impossible place"),
        (Tensor(strides=(3,)), "'a' declares an impossible place"),
        (Tensor(shape=(2**20, 2**20), strides=(0, 0)), "more than the 4294967296 allowed"),
        (Tensor(shape=(2**39, 2**39), strides=(0, 0)), "allowed"),
        (Tensor(key="../x"), "not to the storage of a tensor"),
        (Tensor(key="9"), "is no readable"),
    ],
)
def test_a_tensor_that_lies_about_its_place_is_refused(tmp_path, tensor, message):
    archive(tmp_path / "m.pt", {"a": tensor})
    with pytest.raises(UserError, match=rf"m\.pt: .*{message}"):
        read(tmp_path / "m.pt")


def test_an_empty_tensor_is_read(tmp_path):
    archive(tmp_path / "m.pt", {"a": Tensor(0, (0, 3), (3, 1)), "b": Tensor(6, (0,), (1,))})
    assert {name: value.shape for name, value in read(tmp_path / "m.pt").items()} == {
        "a": (0, 3),
        "b": (0,),
    }


@pytest.mark.parametrize("name", ["data.pkl", "data/0"])
def test_what_is_read_must_be_stored_as_it_is(tmp_path, name):
    archive(tmp_path / "m.pt", {"a": Tensor()}, compress=(name,))
    with pytest.raises(UserError, match="is compressed, which PyTorch does with programs only"):
        read(tmp_path / "m.pt")


def test_an_archive_of_the_other_byte_order_is_refused(tmp_path):
    archive(tmp_path / "m.pt", {"a": Tensor()}, byteorder=b"big")
    with pytest.raises(UserError, match="big-endian"):
        read(tmp_path / "m.pt")

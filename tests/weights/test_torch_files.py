"""PyTorch's files, as a stranger might send them."""

import copy
import io
import pickle
import tarfile
import zipfile

import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.weights import load, stored
from madf_jax.weights.convert import convert
from madf_jax.weights.tensor_files import open_tensors, write_tensors
from madf_jax.weights.vgg import load_vgg
from tests.weights.damage import Evil, cut, member, of_bytes, read_all

pytestmark = pytest.mark.torch


def _torch():
    return pytest.importorskip("torch", reason="PyTorch files need the torch extra")


def _saved(content, **options):
    return lambda path: _torch().save(content() if callable(content) else content, path, **options)


def _expanded():
    torch = _torch()
    return {"a": torch.zeros(1).expand(2**40)}


def _laughs():
    value = [0]
    for _ in range(12):
        value = [value] * 10
    return {"a": value}


LEGACY = {"_use_new_zipfile_serialization": False}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_saved([1, 2]), "holds a list, not a dict"),
        (
            lambda path: path.write_bytes(pickle.dumps([1, 2], protocol=2)),
            "no readable PyTorch file",
        ),
        (of_bytes(b"text, not weights"), "no readable PyTorch file"),
        (cut(_saved({"a": 1}), 0.5), "no readable .pth file"),
        (cut(_saved(lambda: {"a": _torch().ones(99)}, **LEGACY), 0.7), "no readable PyTorch file"),
        (_saved(_expanded), "declares 4398046511104 bytes, more than the 50000 allowed"),
        (_saved(_laughs), "too many values"),
        (_saved(lambda: {"a": _torch().ones(3).to_sparse()}), "'/a' is a torch.float32 tensor"),
        (_saved(lambda: {"a": _torch().ones(3, device="meta")}), "'/a' .* without readable data"),
        (_saved(lambda: {"a": _torch().ones(3) * 1j}), "'/a' is a torch.complex64"),
        (member("a.npy", bytes(100_000), zipfile.ZIP_DEFLATED), "declares 100000 bytes"),
        (member("a.npy", bytes(9), zipfile.ZIP_DEFLATED), "is compressed, which PyTorch's files"),
    ],
)
def test_damaged_pytorch_files_are_refused_in_one_line(damage, message, tmp_path, monkeypatch):
    _torch()
    monkeypatch.setattr(stored, "MAX_BYTES", 50_000)
    path = tmp_path / "weights.pth"
    damage(path)
    with pytest.raises(UserError, match=message) as caught:
        read_all(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
def test_a_pickle_that_would_run_code_does_not(options, tmp_path):
    torch = _torch()
    path, target = tmp_path / "weights.pth", tmp_path / "was_here"
    torch.save({"model": Evil(target)}, path, **options)
    with pytest.raises(UserError, match="more than tensors and plain values"):
        read_all(path)
    assert not target.exists()
    torch.load(path, weights_only=False)  # the file was a danger indeed
    assert target.exists()


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
def test_pytorch_files_come_as_numpy(options, tmp_path):
    torch = _torch()
    path = tmp_path / "weights.pt"
    content = {
        "a": torch.arange(6.0).reshape(2, 3).T,
        "n": 3,
        "list": [1, "b", None],
        "pair": (1, 2),
    }
    half = torch.tensor([1.5, -2.25], dtype=torch.bfloat16)
    torch.save({**content, "half": half, "int": torch.tensor(2**40)}, path, **options)
    found = read_all(path)
    np.testing.assert_array_equal(found["a"], np.arange(6, dtype=np.float32).reshape(2, 3).T)
    np.testing.assert_array_equal(found["half"], np.asarray([1.5, -2.25], np.float32), strict=True)
    assert found["int"] == 2**40
    assert (found["n"], found["list"], found["pair"]) == (3, [1, "b", None], [1, 2])


@pytest.mark.parametrize("options", [{}, LEGACY], ids=["zip", "legacy"])
def test_the_reason_why_a_pickle_is_refused_is_given(options, tmp_path):
    torch, path = _torch(), tmp_path / "w.pth"
    torch.save({"best": np.float64(31.5)}, path, **options)
    with pytest.raises(
        UserError, match=r"GLOBAL numpy\.\S+\.scalar .*save its state dicts"
    ) as caught:
        read_all(path)
    # A reason that PyTorch gives before its advice, and none after it.
    _tar(path, tmp_path / "was_here")
    with pytest.raises(UserError, match=r"legacy \.tar format$"):
        read_all(path)
    for advice in ("Weights only load failed", "trusted source", "add_safe_globals", "https://"):
        assert advice not in str(caught.value)


def test_archives_of_compressed_members_never_reach_pytorch(tmp_path, monkeypatch):
    torch, path, small = _torch(), tmp_path / "w.pth", tmp_path / "small.pth"
    torch.save({"model": {"a": torch.zeros(100_000)}}, path)
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as new:
        for name in archive.namelist():
            new.writestr(name, archive.read(name))
    assert small.stat().st_size < 10_000 < path.stat().st_size
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("was loaded"))
    with pytest.raises(UserError, match="is compressed"):
        read_all(small)


def test_archives_of_overlapping_members_never_reach_pytorch(tmp_path, monkeypatch):
    torch, path = _torch(), tmp_path / "w.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", bytes(100_000))
        twin = copy.copy(archive.infolist()[0])
        twin.filename = "a/data/0"
        archive.filelist.append(twin)
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("was loaded"))
    with pytest.raises(UserError, match="its members overlap"):
        read_all(path)


def test_what_nobody_asks_for_is_never_read(tmp_path):
    torch, path = _torch(), tmp_path / "w.pth"
    sparse = torch.ones(3).to_sparse()
    torch.save({"a": torch.ones(2), "gen_optimizer": {"odd": sparse, "deep": _laughs()}}, path)
    with open_tensors(path, skip=("gen_optimizer",)) as content:
        assert list(content.tensors) == ["a"]
        np.testing.assert_array_equal(content.tensors["a"], [1, 1])


def test_a_zipped_file_is_mapped_and_read_where_it_is_asked_for(tmp_path, monkeypatch):
    torch, path = _torch(), tmp_path / "w.pth"
    torch.save({"a": torch.zeros(5_000_000)}, path)
    kwargs, load = {}, torch.load
    monkeypatch.setattr(torch, "load", lambda *a, **k: kwargs.update(k) or load(*a, **k))
    with open_tensors(path) as content:
        assert content.tensors["a"].shape == (5_000_000,)
    assert (kwargs["mmap"], kwargs["weights_only"]) == (True, True)


def test_arrays_outlive_their_file(tmp_path):
    torch, path = _torch(), tmp_path / "w.pth"
    torch.save({"a": torch.arange(1000.0)}, path)
    array = read_all(path)["a"]
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
    np.testing.assert_array_equal(array, np.arange(1000.0))


@pytest.mark.parametrize("message", ["DefaultCPUAllocator: can't allocate memory: you tried", ""])
def test_too_little_memory_is_said_as_that(message, tmp_path, monkeypatch):
    torch, path = _torch(), tmp_path / "w.pth"
    torch.save({"a": torch.ones(2)}, path)

    def exhausted(*_, **__):
        raise RuntimeError(message) if message else MemoryError

    monkeypatch.setattr(torch, "load", exhausted)
    with pytest.raises(UserError, match=r"w\.pth: there is not enough memory to read it"):
        read_all(path)


def test_a_description_stands_beside_the_tensors(tmp_path):
    path = tmp_path / "w.pth"
    _torch()
    write_tensors(path, {"a": np.ones(2)}, "text")
    with open_tensors(path) as content:
        assert (content.description, list(content.tensors)) == ("text", ["a"])


def _nested(evil):
    return {"model": {"a": 1}, "gen_optimizer": {"state": {0: {"step": evil}}, "param_groups": []}}


def _script(torch, path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 3)), path)


def _tar(path, target):
    """The oldest format: a tar archive of pickles."""
    with tarfile.open(path, "w") as archive:
        for name in ("storages", "tensors", "pickle", "sys_info"):
            data = pickle.dumps(Evil(target), protocol=2)
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    "write",
    [
        lambda torch, path, evil: torch.save(_nested(evil), path),
        lambda torch, path, evil: torch.save(_nested(evil), path, **LEGACY),
        lambda torch, path, evil: torch.save([evil], path),
        lambda torch, path, evil: path.write_bytes(pickle.dumps({"model": evil})),
        lambda torch, path, evil: path.write_bytes(pickle.dumps({"model": evil}, protocol=0)),
        lambda torch, path, evil: _tar(path, evil.target),
        lambda torch, path, evil: _script(torch, path),
    ],
    ids=["zip", "legacy", "list", "pickle", "oldest_pickle", "tar", "script"],
)
@pytest.mark.parametrize(
    "read",
    [
        load,
        lambda path: load(path, optimizer=True),
        load_vgg,
        lambda path: convert(path, path.with_suffix(".npz")),
    ],
    ids=["load", "load_with_optimizer", "load_vgg", "convert"],
)
def test_no_file_of_a_stranger_runs_code(write, read, tmp_path):
    path, target = tmp_path / "w.pth", tmp_path / "was_here"
    write(_torch(), path, Evil(target))
    with pytest.raises(UserError, match=r"w\.pth: ") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert not target.exists()

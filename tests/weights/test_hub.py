"""Models of a hub, from a cache as `huggingface_hub` lays it out; no network is asked."""

import pytest

import madf_jax
from madf_jax.__main__ import main
from madf_jax.errors import UserError
from madf_jax.weights import hub, load, save
from tests.trees import assert_identical

constants = pytest.importorskip("huggingface_hub.constants", reason="needs the hub extra")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def cache(tmp_path, monkeypatch, make_weights):
    """A cache that holds owner/name at one commit."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    model = tmp_path / "cache" / "models--owner--name"
    snapshot = model / "snapshots" / COMMIT
    for folder in (snapshot, model / "blobs", model / "refs"):
        folder.mkdir(parents=True)
    save(model / "blobs" / "1234.safetensors", make_weights())
    (snapshot / hub.MODEL).symlink_to("../../blobs/1234.safetensors")
    for name in ("main", "v1"):
        (model / "refs" / name).write_text(COMMIT)
    return model


@pytest.mark.parametrize(
    "address", ["hf://owner/name", "hf://owner/name@v1", f"hf://owner/name@{COMMIT}"]
)
def test_a_model_in_the_cache_is_read(cache, make_weights, address):
    assert_identical(load(address).variables, make_weights().variables)


def test_an_inpainter_and_the_commands_take_an_address(cache, make_weights, tmp_path):
    inpainter = madf_jax.Inpainter.load("hf://owner/name")
    assert inpainter._network.multiple == 2 ** make_weights().network.depth
    out = tmp_path / "out.safetensors"
    assert main(["export", "--weights=hf://owner/name", "--format=safetensors", str(out)]) == 0
    assert_identical(load(out).variables, make_weights().variables)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("hf://owner/other", "hf://owner/other: "),
        ("hf://owner/name@v2", "hf://owner/name@v2: "),
        ("hf://owner", "names no model; write hf://OWNER/NAME"),
        ("hf://../etc/passwd", "names no model"),
        ("HF://owner/name", "names no model"),
    ],
)
def test_what_can_t_be_had_is_refused_in_one_line(cache, address, message):
    with pytest.raises(UserError, match=message) as error:
        load(address)
    assert "\n" not in str(error.value)


def test_a_repository_without_a_model_is_refused(cache):
    next(cache.glob("snapshots/*/*")).unlink()
    with pytest.raises(UserError, match=f"hf://owner/name: holds no {hub.MODEL}$"):
        load("hf://owner/name")


def test_a_folder_is_a_model_s_or_a_run_s(make_weights, tmp_path):
    save(tmp_path / hub.MODEL, make_weights())
    assert_identical(load(tmp_path).variables, make_weights().variables)
    (tmp_path / hub.MODEL).unlink()
    with pytest.raises(UserError):
        load(tmp_path)

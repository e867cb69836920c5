"""The command `benchmark serve`: each runtime in a process of its own."""

import json

import pytest

from madf_jax.__main__ import main
from madf_jax.benchmark import serve, serve_one
from madf_jax.errors import UserError
from madf_jax.export import onnx_model

pytest.importorskip("onnxruntime", reason="needs the onnx extra")


@pytest.fixture
def weights(make_network, make_variables, tmp_path):
    from madf_jax.weights import Weights, save

    network = make_network(refinements=0)
    return save(tmp_path / "w.safetensors", Weights(network, **make_variables(network)))


def test_every_size_is_painted_by_every_runtime(weights, tmp_path, capsys, monkeypatch):
    asked = []

    def measure(file, dtype, shape, repeats):
        asked.append((file.rsplit(".", 1)[1], dtype, shape, repeats))
        numbers = {"load_seconds": 1.0, "first_seconds": 2.0, "seconds": 0.25}
        return {**numbers, "peak_bytes": 3 * 10**8}

    monkeypatch.setattr(onnx_model, "write_onnx", lambda *args, **options: None)
    monkeypatch.setattr(serve, "_measure", measure)
    monkeypatch.setattr(serve, "describe_machine", lambda dtype: {"processor": "p", "cores": 2})
    target = tmp_path / "o.json"
    flags = [f"--weights={weights}", f"--json={target}", "--repeats=3"]
    assert main(["benchmark", "serve", *flags]) == 0
    assert {(suffix, dtype) for suffix, dtype, _, _ in asked} == {
        *(("safetensors", dtype) for dtype in ("float32", "bfloat16")),
        *(("onnx", dtype) for dtype in ("float32", "float16")),
    }
    assert {shape for _, _, shape, _ in asked} == {
        *((s, s) for s in (256, 512, 1024)),
        (3000, 4000),
    }
    assert len(asked) == 16 and {repeats for *_, repeats in asked} == {3}
    row = "| onnxruntime | float16 | 4000x3000 | 2.00 s | 0.25 s | 300 MB |"
    assert row in capsys.readouterr().out and row in target.with_suffix(".md").read_text()
    assert len(json.loads(target.read_text())["serve"]) == 16


@pytest.mark.slow
def test_a_process_measures_one_runtime(weights, tmp_path):
    with serve._files(weights) as files:
        found = {kind: serve._measure(file, kind[1], (32, 48), 2) for kind, file in files.items()}
    for numbers in found.values():
        assert numbers["seconds"] > 0 and numbers["first_seconds"] > 0
    # Its process never imports JAX.
    peaks = {kind: numbers["peak_bytes"] for kind, numbers in found.items()}
    assert 5e7 < peaks["onnxruntime", "float32"] < peaks["JAX", "float32"]
    # The first image is compiled for.
    jax = found["JAX", "float32"]
    assert jax["first_seconds"] > jax["seconds"]


def test_a_process_that_fails_is_reported_in_one_line(tmp_path):
    with pytest.raises(UserError, match=r"painting 48x32 pixels failed: .*no such file") as error:
        serve._measure(str(tmp_path / "none.onnx"), "float32", (32, 48), 1)
    assert "\n" not in str(error.value)


def test_the_whole_image_is_painted():
    """So that time and memory are those of its size: holes are everywhere, and all are narrow."""
    from madf_jax.inference.crops import find_crops
    from madf_jax.inference.distance import hole_width

    for size in ((256, 256), (300, 400)):
        _, known = serve_one.inputs(*size)
        assert find_crops(~known, 128) == [(slice(0, size[0]), slice(0, size[1]))]
        assert hole_width(~known) < 10


@pytest.mark.parametrize(
    "arguments",
    [["serve", "--batch=2"], ["serve", "--reference=x"], ["network", "--weights=x"]],
)
def test_flags_of_other_parts_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", *arguments])
    assert "is not for" in capsys.readouterr().err

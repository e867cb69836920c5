import json

import pytest
from PIL import Image

from madf_jax.benchmark import report
from madf_jax.benchmark.measure import Measurement

MACHINE = {
    "processor": "Some CPU",
    "cores": 2,
    "device": "cpu",
    "matmul_gflops": 300.0,
}
MEASUREMENTS = [
    Measurement("network", 128, 1, "float32", 0.07, 0.6, 8.57, 200.0, 0.66, 9_000_000, 2.2),
    Measurement("network", 256, 1, "float32", 0.25, 2.3, 9.2, 220.0, 0.73, 28_000_000, 2.4),
    Measurement("network", 512, 1, "float32", 1.02, None, None, 215.0, 0.71, 100_000_000, 2.5),
    Measurement("data", 512, 6, "uint8", 0.0024, 0.0019, 0.79),
]
KEYS = {"what", "size", "batch", "dtype", "seconds", "reference_seconds", "ratio", "gflops"}
KEYS |= {"share_of_peak", "temp_bytes", "compile_seconds"}


def test_the_report_is_json_a_table_and_a_plot(tmp_path):
    paths = report.write_report(tmp_path / "new" / "speed.json", MACHINE, MEASUREMENTS)
    assert [path.name for path in paths] == ["speed.json", "speed.md", "speed.png"]
    assert sorted(path.name for path in paths[0].parent.iterdir()) == sorted(p.name for p in paths)
    content = json.loads(paths[0].read_text())
    assert content["machine"] == MACHINE
    assert all(row.keys() >= KEYS for row in content["rows"])
    assert content["rows"][1]["ratio"] == 9.2
    assert content["slopes"] == {"network": pytest.approx(0.966, abs=0.001)}
    with Image.open(paths[2]) as image:
        assert image.width > 500


def test_the_table_has_a_line_for_each_row_and_slope():
    text = report.to_markdown(MACHINE, MEASUREMENTS)
    assert (
        "| network | 256 | 1 | float32 | 0.25 | 2.3 | **9.20** | 220 | 73% | 28 MB | 2.4 s |"
        in text
    )
    assert "| data | 512 | 6 | uint8 | 0.0024 | 0.0019 | **0.79** | - | - | - | - | - | - |" in text
    assert "Time of network grows with the number of pixels to the power 0.97." in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1

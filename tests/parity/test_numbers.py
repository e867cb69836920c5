"""The page of numbers."""

import numpy as np
import pytest

from madf_jax.__main__ import main
from madf_jax.parity import numbers

pytestmark = pytest.mark.slow


def test_the_page_of_numbers_holds_every_case_and_output(write_case, tmp_path, capsys):
    case = write_case(lambda key: key.startswith(("config", "gt", "mask", "eval/out")))
    page = tmp_path / "docs" / "numbers.md"
    assert main(["numbers", "--output", str(page), str(case)]) == 0
    text = page.read_text()
    assert f"python -m madf_jax numbers --output {page} {case}" in text
    assert text.count("\n| case | ") == 5
    assert [path.name for path in page.parent.iterdir()] == ["numbers.md"]


def test_a_page_that_can_not_be_written_is_reported_before_anything_is_compared(
    write_case, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(numbers, "compare_case", None)
    assert main(["numbers", "--output", str(tmp_path), str(write_case())]) == 1
    error = f"madf-jax: --output={tmp_path}: is a directory; give another name\n"
    assert capsys.readouterr().err == error


def test_a_case_of_unknown_weights_is_refused(write_case, capsys):
    config = '{"layer_size": 3, "n_refinement": 1, "incremental_supervision": true}'
    path = write_case(config=np.asarray(config))
    assert main(["numbers", str(path)]) == 1
    assert "its 'config' has no 'salt'" in capsys.readouterr().err

"""`docs/results.md`: its commands run, and its tables hold what the protocols compute."""

import re
import shlex
from pathlib import Path

import pytest

from eval import _parse
from madf_jax.__main__ import main
from madf_jax.data.generators import GENERATORS
from madf_jax.evaluation.protocols import PROTOCOLS

TEXT = (Path(__file__).parents[2] / "docs" / "results.md").read_text(encoding="utf-8")
COMMANDS = [line for line in TEXT.splitlines() if line.startswith(("python eval", "madf-jax "))]
EVALUATIONS = [shlex.split(line) for line in COMMANDS if line.startswith("python")]
MANIFESTS = [shlex.split(line) for line in COMMANDS if line.startswith("madf-jax")]


def test_each_manifest_is_evaluated():
    made = [command[command.index("--output") + 1] for command in MANIFESTS]
    used = [word.split("=")[1] for c in EVALUATIONS for word in c if "--manifest=" in word]
    assert made == used and len(made) == 6


@pytest.mark.parametrize("command", EVALUATIONS, ids=lambda command: command[4])
def test_an_evaluation_has_flags_and_a_protocol_that_exist(command):
    args = _parse(command[2:])
    protocols = [change.split("=")[1] for change in args.changes if "protocol" in change]
    assert len(protocols) == 1 and PROTOCOLS[protocols[0]].set_metrics


@pytest.mark.parametrize("command", MANIFESTS, ids=lambda command: command[-1])
def test_a_manifest_fails_for_its_images_alone(command, tmp_path, monkeypatch, capsys):
    """All flags are right: what is missing is the folder."""
    (tmp_path / "MASKS").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(command[1:]) == 1
    assert re.search(r"--images=(PLACES|CELEBA): there is no", capsys.readouterr().err)
    masks = command[command.index("--masks") + 1]
    assert masks == "MASKS" or masks in GENERATORS


def test_tables_are_whole_and_the_last_column_waits():
    tables = re.findall(r"(?:^\|.*\n)+", TEXT, re.MULTILINE)
    assert len(tables) == 4
    for table in tables:
        head, _, *rows = [line.strip("|").split("|") for line in table.splitlines()]
        assert head[-1].strip() == "your weights"
        assert {len(row) for row in rows} == {len(head)}
        assert not any(row[-1].strip() for row in rows)

"""What users get wrong is answered by one line; `make faults` tries it on `train.py` itself."""

import pytest

from madf_jax import processes
from madf_jax.config.config_file import read_config
from madf_jax.config.sections import from_config
from madf_jax.errors import UserError
from madf_jax.training import loop
from tests.faults.mistakes import MISTAKES, contents
from train import parse_flags


def too_late(*_, **__):
    raise AssertionError("this should have been refused before anything compiles")


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_by_one_line_and_changes_no_file(name, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "compile_step", too_late)
    mistake = MISTAKES[name]
    mistake.prepare(tmp_path)
    before = contents(tmp_path)
    with pytest.raises(UserError) as raised:
        args = parse_flags([f"--workdir={tmp_path / 'run'}", *mistake.arguments(tmp_path)])
        if args.coordinator:
            processes.join(args.coordinator, args.num_processes, args.process_id, timeout=100)
        loop.train(from_config(read_config(args.config, args.changes)), args.workdir)
    (line,) = str(raised.value).splitlines()
    assert all(word in line for word in mistake.named), line
    assert contents(tmp_path) == before

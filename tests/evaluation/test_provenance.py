import numpy as np
import pytest

from madf_jax.evaluation.provenance import describe_program, hash_variables

TREE = {"params": {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b": np.zeros(2)}}


def test_the_hash_is_of_the_weights_and_not_of_the_order_they_come_in():
    turned = {"params": dict(reversed(TREE["params"].items()))}
    assert hash_variables(TREE) == hash_variables(turned)
    assert len(hash_variables(TREE)) == 64


@pytest.mark.parametrize(
    "change",
    [
        lambda kernel: kernel + np.float32(1e-6),
        lambda kernel: kernel.reshape(3, 2),
        lambda kernel: kernel.astype(np.int32),
        lambda kernel: kernel.view(np.int32),
    ],
)
def test_any_change_of_a_weight_changes_the_hash(change):
    params = {"a": {"kernel": change(TREE["params"]["a"]["kernel"])}, "b": np.zeros(2)}
    assert hash_variables({"params": params}) != hash_variables(TREE)
    assert hash_variables({"params": {**TREE["params"], "c": np.zeros(0)}}) != hash_variables(TREE)


def test_a_command_can_be_pasted_into_a_shell():
    described = describe_program(["python", "eval.py", "--output=a b", "--x=\x1b"])
    assert described["command"] == "python eval.py '--output=a b' '--x=\\x1b'"
    assert describe_program([])["command"] is None
    assert {"madf-jax", "python", "jax"} <= described["versions"].keys()

import dataclasses

import jax
import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.weights import Weights, load, save
from madf_jax.weights.adam import Adam, adam_from_reference, adam_to_reference
from madf_jax.weights.generator import from_reference, to_reference
from madf_jax.weights.table import parameter_names
from madf_jax.weights.tensor_files import open_tensors, write_tensors

PORTABLE = [".npz", ".safetensors"]


def _fields(weights):
    fields = {field.name: getattr(weights, field.name) for field in dataclasses.fields(weights)}
    return fields | {"network": None, "adam": weights.adam and dataclasses.asdict(weights.adam)}


@pytest.mark.parametrize("suffix", [*PORTABLE, pytest.param(".pth", marks=pytest.mark.torch)])
@pytest.mark.parametrize("size", [(3, 0), (4, 2)])
def test_everything_goes_there_and_back_bit_identical(suffix, size, make_weights, tmp_path):
    if suffix == ".pth":
        pytest.importorskip("torch", reason=".pth files need the torch extra")
    weights, path = make_weights(*size, everything=True), tmp_path / f"weights{suffix}"
    save(path, weights)
    found = load(path, optimizer=True)
    assert found.network == weights.network
    assert jax.tree.structure(_fields(found)) == jax.tree.structure(_fields(weights))
    for a, b in zip(*map(jax.tree.leaves, (_fields(found), _fields(weights))), strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize("suffix", PORTABLE)
def test_what_is_not_there_stays_away(suffix, make_weights, tmp_path):
    path = tmp_path / f"weights{suffix}"
    save(path, make_weights())
    with open_tensors(path) as content:
        assert {name.split("/")[0] for name in content.tensors} == {"params", "batch_stats"}
    found = load(path, optimizer=True)
    assert (found.step, found.adam, found.ema, found.vgg) == (None, None, None, None)


@pytest.mark.parametrize("suffix", PORTABLE)
@pytest.mark.parametrize("prefix", ["", "module.model."])
def test_bare_state_dicts_of_the_reference_load(suffix, prefix, make_weights, tmp_path):
    weights, path = make_weights(4, 1), tmp_path / f"reference{suffix}"
    write_tensors(path, to_reference(weights.variables, weights.network, prefix))
    found = load(path)
    assert found.network == weights.network
    jax.tree.map(np.testing.assert_array_equal, found.variables, weights.variables)


def test_jax_arrays_are_written_as_numpy_ones(make_weights, tmp_path, assert_identical):
    weights = make_weights()
    on_device = Weights(weights.network, **jax.tree.map(jax.numpy.asarray, weights.variables))
    save(tmp_path / "a.npz", weights)
    save(tmp_path / "b.npz", on_device)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_weights_that_diverged_are_not_written(make_weights, tmp_path):
    weights = make_weights()
    weights.params["encoder"]["level_1"]["skip"]["bias"][0] = np.nan
    with pytest.raises(UserError, match=r"'params/encoder/level_1/skip/bias' holds NaN"):
        save(tmp_path / "weights.npz", weights)
    assert not list(tmp_path.iterdir())


def test_prefixes_belong_to_pytorch_files(make_weights, tmp_path):
    with pytest.raises(UserError, match=r"only \.pth and \.pt files have the reference's prefixes"):
        save(tmp_path / "weights.npz", make_weights(), prefixes=True)


def _put(name, value):
    return lambda content: content.update({name: np.asarray(value)})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content.clear(), "holds no generator of MADF; its names are none"),
        (_put("extra/thing", 1), "not known: 'extra/thing'"),
        (_put("params/thing", 1), r"not known: 'params/thing' \(\)"),
        (_put("step", 1.5), "'step' is 1.5, not a whole number"),
        (_put("step", [1, 2]), "'step' must be one whole number"),
        (lambda content: content.pop("adam/count"), "missing: 'adam/count'"),
        (_put("adam/eps", np.nan), "Adam's eps is nan"),
        (
            _put("adam/mu/encoder/level_1/skip/bias", np.zeros(3, np.float32)),
            r"is \(3,\), must be \(11,\)",
        ),
        (_put("adam/nu/encoder/level_1/skip/bias", -np.ones(11, np.float32)), "holds negative"),
        (_put("ema/encoder/level_1/skip/bias", np.zeros(11, np.int64)), "'ema/.*' is int64"),
        (lambda content: content.pop("ema/encoder/level_1/skip/bias"), "missing: 'ema/encoder"),
        (
            lambda content: content.pop("batch_stats/recovery_decoder/level_2/norm/var"),
            "missing: 'batch",
        ),
        (_put("vgg/conv1_1/bias", np.zeros(3, np.float32)), r"'vgg/conv1_1/bias' is \(3,\)"),
    ],
)
def test_damaged_files_of_ours_are_refused(damage, message, make_weights, tmp_path):
    path = tmp_path / "weights.npz"
    save(path, make_weights(everything=True))
    with open_tensors(path) as opened:
        content = {name: np.asarray(tensor) for name, tensor in opened.tensors.items()}
    damage(content)
    write_tensors(path, content)
    with pytest.raises(UserError, match=rf"weights\.npz: .*{message}"):
        load(path, optimizer=True)


@pytest.fixture
def adam_and_rows(make_weights):
    weights = make_weights(everything=True)
    return weights.adam, parameter_names(weights.network)


def test_adam_numbers_are_those_of_the_reference(adam_and_rows):
    adam, rows = adam_and_rows
    state = adam_to_reference(adam, rows)
    numbered = [row for row in rows if row.is_parameter]
    assert state["param_groups"][0]["params"] == list(range(len(numbered)))
    unused = {n for n, row in enumerate(numbered) if row.name.startswith("enc_conv")}
    assert set(state["state"]) == set(range(len(numbered))) - unused
    assert len(unused) == 6


def test_adam_before_its_first_step_is_zeros(adam_and_rows):
    adam, rows = adam_and_rows
    state = adam_to_reference(adam, rows) | {"state": {}}
    fresh = adam_from_reference(state, rows)
    assert fresh.count == 0
    assert not any(leaf.any() for leaf in jax.tree.leaves((fresh.mu, fresh.nu)))
    assert jax.tree.map(np.shape, fresh.mu) == jax.tree.map(np.shape, adam.mu)


def test_adam_of_the_unused_batch_norms_is_passed_over(adam_and_rows):
    adam, rows = adam_and_rows
    state = adam_to_reference(adam, rows)
    numbers = [
        n for n, row in enumerate(r for r in rows if r.is_parameter) if "enc_conv" in row.name
    ]
    state["state"] |= {number: {"step": 1} for number in numbers}
    assert adam_from_reference(state, rows).count == adam.count


@pytest.mark.parametrize("step", [77, np.asarray(77.0, np.float32), np.asarray(77)])
def test_adam_steps_may_be_numbers_or_tensors(step, adam_and_rows):
    adam, rows = adam_and_rows
    state = adam_to_reference(adam, rows)
    for entry in state["state"].values():
        entry["step"] = step
    assert adam_from_reference(state, rows).count == 77


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda s: s.clear(), "is no Adam state dict"),
        (lambda s: s.update(state=[1]), "is no Adam state dict"),
        (lambda s: s["param_groups"].append({}), "is no Adam state dict"),
        (lambda s: s["param_groups"][0]["params"].pop(), "must number 58 parameters, it has 57"),
        (lambda s: s["param_groups"][0]["params"].__setitem__(0, 1), "57 different numbers"),
        (lambda s: s["state"].update({999: {}}), "has state of 999, not in param_groups"),
        (lambda s: s["state"].pop(1), r"missing: 'gen_optimizer 1 exp_avg' \(9,\)"),
        (lambda s: s["state"][1].pop("exp_avg_sq"), "missing: 'gen_optimizer 1 exp_avg_sq'"),
        (lambda s: s["state"][1].pop("step"), "'gen_optimizer 1 step' is a NoneType"),
        (lambda s: s["state"][1].update(step=3), r"different steps, \[3, 77\]"),
        (lambda s: s["state"][1].update(exp_avg=np.zeros(4, np.float32)), r"exp_avg' is \(4,\)"),
        (lambda s: s["state"][1].update(exp_avg_sq=-np.ones(9, np.float32)), "holds negative"),
        (lambda s: s["state"][1].update(exp_avg=np.full(9, np.nan, np.float32)), "holds NaN"),
        (lambda s: s["param_groups"][0].update(amsgrad=True), "amsgrad is on"),
        (lambda s: s["param_groups"][0].update(weight_decay=0.1), "weight_decay is on"),
        (lambda s: s["param_groups"][0].pop("betas"), "lacks numbers for lr, betas and eps"),
    ],
)
def test_damaged_adam_is_refused(damage, message, adam_and_rows):
    adam, rows = adam_and_rows
    state = adam_to_reference(adam, rows)
    damage(state)
    with pytest.raises(UserError, match=message):
        adam_from_reference(state, rows)


def _module(torch, state_dict):
    """A tree of torch modules whose state dict has these names in this order."""
    root = torch.nn.Module()
    for name, value in state_dict.items():
        *parents, leaf = name.split(".")
        module = root
        for parent in parents:
            if parent not in dict(module.named_children()):
                module.add_module(parent, torch.nn.Module())
            module = getattr(module, parent)
        tensor = torch.tensor(np.array(value))
        if leaf in ("weight", "bias"):
            module.register_parameter(leaf, torch.nn.Parameter(tensor))
        else:
            module.register_buffer(leaf, tensor)
    assert list(root.state_dict()) == list(state_dict)
    return root


def _trained(torch, state_dict, steps=2):
    """The module and its Adam after some steps in which the unused batch norms got no gradient."""
    module = _module(torch, state_dict)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-4, betas=(0.5, 0.9))
    torch.manual_seed(0)
    for _ in range(steps):
        for name, parameter in module.named_parameters():
            if not name.startswith("enc_conv"):
                parameter.grad = torch.randn_like(parameter)
        optimizer.step()
    return module, optimizer


@pytest.mark.torch
@pytest.mark.parametrize("prefixes", [False, True])
@pytest.mark.parametrize("legacy", [False, True])
def test_pytorch_s_own_checkpoint_goes_there_and_back(
    prefixes, legacy, make_state_dict, make_vgg, tmp_path
):
    torch = pytest.importorskip("torch", reason=".pth files need the torch extra")
    module, optimizer = _trained(torch, make_state_dict(4, 2))
    before, after = tmp_path / "before.pth", tmp_path / "after.pth"
    model = {("module.model." if prefixes else "") + k: v for k, v in module.state_dict().items()}
    content = {"n_iter": 2, "model": model, "gen_optimizer": optimizer.state_dict()}
    torch.save(content, before, _use_new_zipfile_serialization=not legacy)

    weights = dataclasses.replace(load(before, optimizer=True), vgg=make_vgg())
    assert (weights.step, weights.adam.count, weights.adam.learning_rate) == (2, 2, 3e-4)
    save(after, weights, prefixes=prefixes)

    found = torch.load(after, weights_only=True)
    assert list(found) == ["n_iter", "model", "gen_optimizer", "madf_jax"]
    vgg_prefix = "module.extractor." if prefixes else "extractor."
    vgg_names = [name for name in found["model"] if name.startswith(vgg_prefix)]
    assert len(vgg_names) == 14
    generator = {
        k.removeprefix("module.model."): v for k, v in found["model"].items() if k not in vgg_names
    }
    fresh = _module(torch, make_state_dict(4, 2))
    fresh.load_state_dict(generator, strict=True)
    fresh_optimizer = torch.optim.Adam(fresh.parameters())
    fresh_optimizer.load_state_dict(found["gen_optimizer"])
    _assert_same(torch, fresh.state_dict(), module.state_dict())
    _assert_same(torch, fresh_optimizer.state_dict()["state"], optimizer.state_dict()["state"])
    group, wanted = (o.state_dict()["param_groups"][0] for o in (fresh_optimizer, optimizer))
    assert group == wanted

    # One more step of both gives the same parameters: the state means what it meant.
    for network, adam in ((module, optimizer), (fresh, fresh_optimizer)):
        torch.manual_seed(1)
        for name, parameter in network.named_parameters():
            parameter.grad = None if name.startswith("enc_conv") else torch.randn_like(parameter)
        adam.step()
    _assert_same(torch, fresh.state_dict(), module.state_dict())


def _assert_same(torch, found, wanted):
    assert list(found) == list(wanted)
    for key, value in wanted.items():
        if isinstance(value, dict):
            _assert_same(torch, found[key], value)
        else:
            assert found[key].dtype == value.dtype
            assert torch.equal(found[key], value), key


@pytest.mark.torch
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda state: {"model": {}}, "holds no generator"),
        (lambda state: {"model": [1]}, "holds no generator"),
        (lambda state: {"model": state, "n_iter": -1}, "'n_iter' is -1"),
        (lambda state: {"model": state, "n_iter": [[1], [2, 3]]}, "'n_iter' is a list"),
        (lambda state: {"model": state, "gen_optimizer": 3}, "is no Adam state dict"),
        (lambda state: {"model": state, "ema": 3}, "'ema' is a int"),
        (lambda state: {"model": state | {"enc_up_1.0.bias": "b"}}, "'enc_up_1.0.bias' is a str"),
        (lambda state: {"model": state | {5: 3}}, "'5' is a int, not a tensor"),
    ],
)
def test_strange_checkpoints_are_refused(content, message, make_state_dict, tmp_path):
    torch = pytest.importorskip("torch", reason=".pth files need the torch extra")
    path = tmp_path / "weights.pth"
    torch.save(content(_module(torch, make_state_dict()).state_dict()), path)
    with pytest.raises(UserError, match=rf"weights\.pth: .*{message}"):
        load(path, optimizer=True)


@pytest.mark.torch
def test_a_bare_pytorch_state_dict_loads(make_narrow, make_state_dict, tmp_path):
    torch = pytest.importorskip("torch", reason=".pth files need the torch extra")
    state_dict, path = make_state_dict(), tmp_path / "bare.pt"
    torch.save(_module(torch, state_dict).state_dict(), path)
    found = load(path, optimizer=True)
    wanted = from_reference(state_dict, make_narrow())
    jax.tree.map(np.testing.assert_array_equal, found.variables, wanted)
    assert (found.step, found.adam) == (None, None)


def test_adam_settings_default_to_the_release_s():
    adam = Adam(mu={}, nu={}, count=0)
    assert (adam.learning_rate, adam.b1, adam.b2, adam.eps) == (2e-4, 0.9, 0.999, 1e-8)

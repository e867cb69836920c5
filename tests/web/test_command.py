"""The command `demo`, as far as it comes without Gradio."""

import importlib.util
import socket

import pytest

from madf_jax.__main__ import main
from madf_jax.errors import UserError
from madf_jax.web.server import address_of, listen


@pytest.fixture
def with_gradio(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: found("json" if name == "gradio" else name)
    )


def test_without_gradio_one_line_names_the_extra(monkeypatch, capsys):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["demo"]) == 1
    assert capsys.readouterr().err == "madf-jax: the page needs Gradio: pip install '.[web]'\n"


def test_a_port_that_is_taken_is_one_line_before_weights_are_read(with_gradio, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["demo", f"--port={port}", "--weights=missing.npz"]) == 1
    message = f"--host=127.0.0.1 --port={port}: can't be used: Address already in use"
    assert capsys.readouterr().err == f"madf-jax: {message}; choose another\n"


@pytest.mark.parametrize(
    ("host", "port", "message"),
    [
        ("nowhere.invalid", 0, "--host=nowhere.invalid --port=0: there is no such host"),
        ("", 70000, "the port must be from 0 to 65535"),
        ("", -1, "the port must be from 0 to 65535"),
        ("x" * 300, 0, "there is no such host"),
        ("192.0.2.1", 0, "can't be used: Cannot assign requested address"),
    ],
)
def test_a_host_or_port_that_can_not_be_is_refused(host, port, message):
    with pytest.raises(UserError, match=message):
        listen(host, port)


def test_only_this_machine_can_reach_it_unless_a_host_is_named():
    with listen("127.0.0.1", 0) as listening:
        host, port = listening.getsockname()
        assert host == "127.0.0.1"
        assert address_of(listening) == f"http://127.0.0.1:{port}"
    with listen("0.0.0.0", 0) as listening:
        port = listening.getsockname()[1]
        assert address_of(listening) == f"http://{socket.gethostname()}:{port}"

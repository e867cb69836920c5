"""What the emulated bucket must do for the tests that rely on it."""

import socket
import urllib.error
import urllib.request

import pytest

from tests.buckets.programs import BUCKET, PATIENCE, start_emulator
from tests.faults.jobs import free_port

HALF = (
    f"POST /upload/storage/v1/b/{BUCKET}/o?uploadType=media&name=half HTTP/1.1\r\n"
    "Host: localhost\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\nhalf"
).encode()


@pytest.fixture
def place(tmp_path):
    host, port = "127.0.0.1", free_port()
    emulator, _ = start_emulator(host, port, tmp_path / "emulator.log")
    yield host, port
    emulator.kill()


def test_half_a_request_keeps_nobody_waiting_and_stores_nothing(place):
    stored = f"http://{place[0]}:{place[1]}/storage/v1/b/{BUCKET}/o/half"
    with socket.create_connection(place) as stopped:
        stopped.sendall(HALF)
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(stored, timeout=PATIENCE)
        stopped.shutdown(socket.SHUT_WR)
        assert stopped.recv(1) == b""
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(stored, timeout=PATIENCE)


def test_a_whole_request_stores_its_object(place):
    with socket.create_connection(place) as client:
        client.sendall(HALF + b"half")
        assert client.recv(100).startswith(b"HTTP/1.0 200")
    with urllib.request.urlopen(
        f"http://{place[0]}:{place[1]}/{BUCKET}/half", timeout=PATIENCE
    ) as answer:
        assert answer.read() == b"halfhalf"

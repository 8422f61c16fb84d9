"""Connections of the load: over TLS too, and refusals in words."""

import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from bench.crowd import Crowd, LoadFailed
from bench.frames import TEXT, client_frame
from bench.servers import RawLoop, token
from bench.target import Target


@pytest.fixture(scope="module")
def raw() -> Iterator[RawLoop]:
    with RawLoop() as loop:
        yield loop


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("openssl") is None:
        pytest.skip("TLS IS NOT TESTED: no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "key.pem", "-out", "cert.pem", "-days", "1", "-subj", "/CN=bench",
            "-addext", "subjectAltName=IP:127.0.0.1",
        ],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip
    return folder


@pytest.fixture
def secure_port(raw: RawLoop, certificate: Path) -> Iterator[int]:
    """A port that speaks TLS and hands everything on to the raw loop."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_serve, args=(listener, context, raw.port), daemon=True)
        thread.start()
        yield listener.getsockname()[1]


def _serve(listener: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            sock, _ = listener.accept()
            with suppress(ssl.SSLError):
                outer = context.wrap_socket(sock, server_side=True)
                inner = socket.create_connection(("127.0.0.1", port))
                for one, other in ((outer, inner), (inner, outer)):
                    threading.Thread(target=_pass_on, args=(one, other), daemon=True).start()


def _pass_on(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65_536):
            other.sendall(data)
    other.close()


def test_it_speaks_tls(secure_port: int, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    with Crowd(Target("127.0.0.1", secure_port, tls=True)) as crowd:
        viewers = crowd.join(["/viewer"] * 3, token())
        (publisher,) = crowd.join(["/captions"], token())
        for _ in range(50):
            crowd.send(publisher, client_frame(TEXT, b"a caption"))
        crowd.until(lambda: all(len(viewer.messages) == 50 for viewer in viewers))
        assert [b'"connected"' in viewer.greeting for viewer in viewers] == [True] * 3


def test_a_certificate_that_nobody_vouches_for_is_refused(secure_port: int) -> None:
    with (
        Crowd(Target("127.0.0.1", secure_port, tls=True)) as crowd,
        pytest.raises(LoadFailed, match=r"no TLS with wss://127\.0\.0\.1"),
    ):
        crowd.join(["/viewer"], token())


def test_an_unknown_host_is_named() -> None:
    with Crowd(Target("nowhere.invalid", 80)) as crowd, pytest.raises(LoadFailed, match=r"nowhere\.invalid"):
        crowd.dial("/viewer")


def test_a_frozen_client_reads_on_when_it_thaws(raw: RawLoop) -> None:
    with Crowd(raw.port) as crowd:
        (viewer,) = crowd.join(["/viewer"], token())
        (other,) = crowd.join(["/viewer"], token())
        (publisher,) = crowd.join(["/captions"], token())
        crowd.freeze(viewer)
        crowd.send(publisher, client_frame(TEXT, b"a caption"))
        crowd.until(lambda: len(other.messages) == 1)
        assert viewer.messages == []

        crowd.thaw(viewer)
        crowd.until(lambda: len(viewer.messages) == 1)


def test_how_the_server_closed_is_kept(raw: RawLoop) -> None:
    with Crowd(raw.port) as crowd:
        (viewer,) = crowd.join(["/viewer"], token())
        crowd.send(viewer, client_frame(0x88, b"\x03\xe8"))
        crowd.until(lambda: viewer.closed)
        assert viewer.code == 1000

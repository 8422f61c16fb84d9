"""nginx with nchan (https://nchan.io) as one process, and an audience whose captions come over HTTP."""

import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from bench.backends import free_port
from bench.child import START_SECONDS, Process
from bench.crowd import Crowd, LoadFailed, Peer
from bench.processes import cpu_seconds, two_sides
from bench.reference import subtitle_text

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
ANSWER_BYTES_MAX = 64 * 1024


def _configuration(module: Path, folder: Path, port: int) -> str:
    temporary = "\n".join(f"  {name}_temp_path {folder}/{name};" for name in TEMPORARY)
    return f"""load_module {module};
daemon off; master_process off; worker_rlimit_nofile 20000; pid {folder}/pid;
events {{ worker_connections 16000; }}
http {{
  access_log off; tcp_nodelay on; keepalive_requests 10000000;
{temporary}
  server {{
    listen 127.0.0.1:{port} backlog=2048;
    location = /viewer {{
      nchan_subscriber websocket; nchan_channel_id stage; nchan_subscriber_first_message newest;
    }}
    location = /publish {{ nchan_publisher; nchan_channel_id stage; nchan_message_buffer_length 64; }}
  }}
}}
"""


class Nchan(Process):
    """Viewers of one channel at /viewer, published to at /publish."""

    def __init__(self, program: str, module: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="stagedoor-bench-nginx-")
        folder, port = Path(self._folder.name), free_port()
        (folder / "nginx.conf").write_text(_configuration(module, folder, port), encoding="utf-8")
        command = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
        if setpriv := shutil.which("setpriv"):  # unlike the others it does not look at its input
            program, command = setpriv, ["--pdeathsig", "TERM", program, *command]
        super().__init__(command, folder, subprocess.DEVNULL, two_sides()[0], program=program)
        self.port = port
        try:
            self._wait_until_it_answers(folder / "error.log")
        except LoadFailed:
            self.end()
            raise

    def _wait_until_it_answers(self, log: Path) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.running:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return
        said = log.read_text(encoding="utf-8", errors="replace")[-1000:] if log.exists() else ""
        raise LoadFailed(f"nginx does not start: {said}")

    def end(self) -> None:
        """End it, and forget its folder."""
        super().end()
        self._folder.cleanup()


class NchanAudience:
    """Viewers of nchan; each caption is a request of its own, several of a burst leave in one write."""

    def __init__(self, crowd: Crowd, process: Process, viewers: int) -> None:
        self._crowd = crowd
        self._process = process
        self._places = [0] * viewers
        self._heard = self._published = 0
        for first in range(0, viewers, 64):
            some = [crowd.dial("/viewer", index) for index in range(first, min(first + 64, viewers))]
            crowd.until(lambda some=some: all(peer.upgraded for peer in some))  # type: ignore[misc]
            for peer in some:
                peer.heard = self._hear

    def _hear(self, peer: Peer, payload: bytes) -> None:
        place = self._places[peer.index] + 1
        if payload.decode() != subtitle_text(place):
            raise LoadFailed(f"viewer {peer.index} of nchan was sent {payload!r} instead of caption {place}")
        self._places[peer.index] = place
        self._heard += 1

    def publish(self, captions: int, at_once: int) -> float:
        """Publish captions, so many `at_once`, the next when all viewers have those; return us per frame."""
        began = cpu_seconds(self._process.pid)
        with socket.create_connection(("127.0.0.1", self._process.port)) as publisher:
            publisher.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for _ in range(captions // at_once):
                publisher.sendall(b"".join(self._request() for _ in range(at_once)))
                self._crowd.until(lambda: self._heard == self._published * len(self._places))
                publisher.recv(ANSWER_BYTES_MAX)
        return (cpu_seconds(self._process.pid) - began) * 1e6 / (captions * len(self._places))

    def _request(self) -> bytes:
        self._published += 1
        text = subtitle_text(self._published)
        head = f"POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(text)}\r\n"
        return f"{head}Content-Type: text/plain\r\n\r\n{text}".encode()

"""Servers for tests: nginx, an S3 server, an HTTP server without ranges, and a proxy that breaks connections."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import pytest

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "tests", "AWS_REGION": "us-east-1"}
_CONFIGURATION = """
daemon off; master_process off; pid {home}/pid; error_log {home}/error.log;
events {{ worker_connections 256; }}
http {{
    access_log {home}/access.log;
    client_body_temp_path {home}/body; proxy_temp_path {home}/proxy; fastcgi_temp_path {home}/fastcgi;
    uwsgi_temp_path {home}/uwsgi; scgi_temp_path {home}/scgi;
    server {{
        listen 127.0.0.1:{port}; root {folder}; client_max_body_size 0;
        location / {{ dav_methods PUT; create_full_put_path on; }}
        location /readonly/ {{ limit_except GET {{ deny all; }} }}
        location /private/ {{ return 401; }}
        location /full/ {{ if ($request_method = PUT) {{ return 507; }} }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path) -> Iterator[str]:
    """nginx for `folder`, with PUT except below /readonly, /private and /full. Gives its URL; skips without nginx."""
    if NGINX is None:
        pytest.skip("needs nginx, which this machine does not have")
    home, port = folder.with_name(folder.name + ".nginx"), _free_port()
    home.mkdir()
    folder.mkdir(exist_ok=True)
    (home / "conf").write_text(_CONFIGURATION.format(home=home, port=port, folder=folder))
    server = subprocess.Popen([NGINX, "-e", f"{home}/error.log", "-p", str(home), "-c", str(home / "conf")])
    try:
        _wait_for(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.kill()
        server.wait()


@contextmanager
def s3(patch: pytest.MonkeyPatch, buckets: tuple[str, ...] = ("stores",)) -> Iterator[str]:
    """An S3 server (moto) with empty buckets, and the environment variables for it. Gives its address."""
    import boto3
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line per request otherwise
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": address, "AWS_ALLOW_HTTP": "true"}.items():
            patch.setenv(name, value)
        with closing(boto3.client("s3", endpoint_url=address, region_name="us-east-1")) as client:
            for bucket in buckets:
                client.create_bucket(Bucket=bucket)
        yield address
    finally:
        server.stop()


class _Patient(ThreadingHTTPServer):
    request_queue_size = 64  # the default is five, and the sixth connection would wait a second


class _Plain(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def without_ranges(folder: Path) -> Iterator[str]:
    """Python's http.server, which answers a range request with the whole file. Gives its URL."""
    server = _Patient(("127.0.0.1", 0), partial(_Plain, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@dataclass
class Line:
    """A TCP proxy to `port` that closes the connection after `after` bytes in one direction, `times` times."""

    port: int
    after: int
    times: int
    direction: Literal["up", "down"]
    cuts: int = 0
    carried: int = 0
    since: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def carry(self, client: socket.socket) -> None:
        """Forward one connection in both directions until either end, or this proxy, closes it."""
        server = socket.create_connection(("127.0.0.1", self.port))
        directions = [(client, server, self.direction == "up"), (server, client, self.direction == "down")]
        for source, target, counted in directions:
            threading.Thread(target=self._pump, args=(source, target, counted), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(16_384):
                if counted and self._breaks(len(data)):
                    break
                target.sendall(data)
        except OSError:
            return  # the other direction has closed both ends
        finally:
            for end in (source, target):
                _close(end)

    def _breaks(self, count: int) -> bool:
        with self._lock:
            self.carried, self.since = self.carried + count, self.since + count
            if self.cuts < self.times and self.since > self.after:
                self.cuts, self.since = self.cuts + 1, 0
                return True
            return False


@contextmanager
def cut(url: str, after: int, times: int = 3, direction: Literal["up", "down"] = "down") -> Iterator[tuple[str, Line]]:
    """The same server behind a proxy that breaks connections. Gives the new URL and the proxy, which counts `cuts`."""
    line = Line(int(url.rsplit(":", 1)[1]), after, times, direction)
    door = socket.create_server(("127.0.0.1", 0), backlog=64)

    def accept() -> None:
        while True:
            try:
                client, _ = door.accept()
            except OSError:
                return
            line.carry(client)

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{door.getsockname()[1]}", line
    finally:
        _close(door)


def _close(end: socket.socket) -> None:
    try:
        end.shutdown(socket.SHUT_RDWR)
    except OSError:
        end.close()  # not connected any more
    end.close()


def _free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        return int(taken.getsockname()[1])


def _wait_for(port: int) -> None:
    for _ in range(200):
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise RuntimeError(f"nothing answers on port {port}")

"""The page over HTTP, for this machine's user alone.

The server listens on 127.0.0.1. Other users of the machine lack the token, which the printed address carries once and a
cookie afterwards. Other pages in the same browser are kept out by the Host header (DNS rebinding), by Origin and
Sec-Fetch-Site, and by response headers that forbid embedding. The page loads nothing from elsewhere and runs no script
but its own files (Content-Security-Policy).
"""

from __future__ import annotations

import errno
import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from manifests.strict import InvalidValue
from prep.errors import PrepError
from prep.viewer.api import ACTIONS, QUESTIONS, Binary
from prep.viewer.session import Session, StoreChanged

HOST = "127.0.0.1"
SCRIPTS = ("page", "link", "list", "player", "plot", "confusion", "arrows", "ask", "skeleton")
FILES = {
    "": ("page.html", "text/html"),
    **{f"{name}.js": (f"{name}.js", "text/javascript") for name in SCRIPTS},
    "page.css": ("page.css", "text/css"),
    "icon.svg": ("icon.svg", "image/svg+xml"),
}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
TOKEN = "token"
IDLE = 30  # seconds after which an unused connection is closed


class ViewerServer(ThreadingHTTPServer):
    """A server for one session. Raises PrepError if the port is in use or not allowed; port 0 takes any free one."""

    daemon_threads = True

    def __init__(self, session: Session, port: int, token: str) -> None:
        self.session, self.token = session, token
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                rule = f"port {port} is in use. Stop the program that uses it, or choose another with --port"
                raise PrepError(f"{rule} (0 takes any free one).") from error
            if error.errno in (errno.EACCES, errno.EADDRNOTAVAIL):
                raise PrepError(
                    f"port {port} cannot be used ({error.strerror}). Choose another with --port."
                ) from error
            raise

    @property
    def port(self) -> int:
        """The port that it listens on."""
        return int(self.server_address[1])

    @property
    def address(self) -> str:
        """The address that opens the page."""
        return f"http://{HOST}:{self.port}/?{TOKEN}={self.token}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print the traceback of a bug, but nothing when the browser has closed the connection."""
        import sys

        if not isinstance(sys.exception(), (ConnectionError, TimeoutError)):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: ViewerServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "fsprep", ""
    timeout = IDLE
    # Headers and content are two packets; the second would wait 40 ms for the first to be acknowledged.
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        path, query = self._request()
        if self._refused(path):
            return
        if query.get(TOKEN) and path == "":
            self._enter(query[TOKEN])
        elif not self._has_cookie():
            text = "This page needs the address that `fsprep view` printed; open it once in this browser."
            self._send(HTTPStatus.FORBIDDEN, "text/plain", text.encode())
        elif path in FILES:
            file, kind = FILES[path]
            self._send(HTTPStatus.OK, kind, (Path(__file__).parent / file).read_bytes())
        else:
            self._answer(QUESTIONS, path, query)

    def do_POST(self) -> None:
        path, query = self._request()
        own = {f"http://{host}" for host in self._hosts()}
        if self._refused(path):
            return
        # A page of another origin can send such a request, but not without this header.
        if not self._has_cookie() or self.headers.get("Origin") not in own or self.headers.get("Content-Length") != "0":
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"Only the page itself may send this.")
        else:
            self._answer(ACTIONS, path, query)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""

    def _request(self) -> tuple[str, dict[str, str]]:
        url = urlsplit(self.path)
        return url.path.removeprefix("/"), {key: values[-1] for key, values in parse_qs(url.query).items()}

    def _hosts(self) -> tuple[str, str]:
        return f"{HOST}:{self.server.port}", f"localhost:{self.server.port}"

    def _refused(self, path: str) -> bool:
        """Answer a request that another site has caused; a link to the page itself is none."""
        link = path == "" and self.command == "GET" and self.headers.get("Sec-Fetch-Dest") == "document"
        if self.headers.get("Host") not in self._hosts():
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"The Host header does not name this server.")
        elif self.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin") and not link:
            self._send(HTTPStatus.FORBIDDEN, "text/plain", b"Another site has sent this request.")
        else:
            return False
        return True

    def _cookie_name(self) -> str:
        """Cookies of one host are shared by its ports."""
        return f"fsprep-view-{self.server.port}"

    def _has_cookie(self) -> bool:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get(self._cookie_name())
        except CookieError:
            return False
        return cookie is not None and secrets.compare_digest(cookie.value.encode(), self.server.token.encode())

    def _enter(self, token: str) -> None:
        """The token as a cookie, and the page at an address without it; the part after # stays."""
        if not secrets.compare_digest(token.encode(), self.server.token.encode()):
            text = "The token is of an earlier start. Open the address that `fsprep view` printed last."
            self._send(HTTPStatus.FORBIDDEN, "text/plain", text.encode())
            return
        # Lax, not Strict: the address may be clicked in a terminal that is itself a page.
        cookie = f"{self._cookie_name()}={token}; HttpOnly; SameSite=Lax; Path=/"
        self._send(HTTPStatus.SEE_OTHER, "text/plain", b"", {"Set-Cookie": cookie, "Location": "/"})

    def _answer(self, known: Mapping[str, Any], path: str, query: dict[str, str]) -> None:
        name = path.removeprefix("api/")
        if name == path or name not in known:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"There is no such page.")
            return
        try:
            answer = known[name](self.server.session, query)
        except (PrepError, InvalidValue, OSError) as error:
            status = HTTPStatus.CONFLICT if isinstance(error, StoreChanged) else HTTPStatus.UNPROCESSABLE_ENTITY
            self._json(status, {"error": str(error)})
        else:
            if isinstance(answer, Binary):
                self._send(HTTPStatus.OK, answer.kind, answer.content)
            else:
                self._json(HTTPStatus.OK, answer)

    def _json(self, status: HTTPStatus, content: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(content).encode())

    def _send(self, status: HTTPStatus, kind: str, content: bytes, more: Mapping[str, str] | None = None) -> None:
        if status == HTTPStatus.FORBIDDEN:
            # A refused request may have a body, which must not be read as the next request.
            self.close_connection = True
        self.send_response(status)
        text = kind.startswith("text/") or kind == "application/json"
        self.send_header("Content-Type", f"{kind}; charset=utf-8" if text else kind)
        self.send_header("Content-Length", str(len(content)))
        for name, value in {**HEADERS, **(more or {})}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(content)

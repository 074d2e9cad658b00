"""Storage behind HTTP(S) or in S3, through obstore: several requests at once, broken ones resumed.

S3 is configured by the usual variables: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL for
your own server, AWS_SKIP_SIGNATURE=true for a public bucket. obstore reads them; this file does not.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from prep.storage.storage import LARGEST, ConnectionLost, StorageError, too_large

RETRIES = 7  # of one request within 3 minutes; obstore waits up to 0.1 s, 0.2 s, ... 6.4 s between them
STREAM_CHUNK = 2**16  # bytes per piece of a stream: an incomplete piece is lost when the connection breaks
CONCURRENT = 16  # requests for small files
ValueT = TypeVar("ValueT")

_UNRANGED = (
    "the server ignores Range requests, so no file can be read in pieces or resumed. Serve the files with one that "
    "supports them (nginx, Apache, any S3), or copy whole files: `fsprep pull --whole-files`."
)
_REMEDIES = {
    "401": "The server rejects your credentials. S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.",
    "403": "You have no permission, or nothing exists under this name. Ask the owner, or check your credentials.",
    "405": "The server accepts no uploads. Choose one that accepts PUT (nginx with `dav_methods PUT`, any S3).",
    "409": "The server accepts no upload under this name. Check the path.",
    "413": "The server accepts no files of this size. Raise its limit (nginx: `client_max_body_size 0`).",
    "416": "The file is shorter than manifest.json says. Push the store again.",
    "501": "The server accepts no uploads. Choose one that accepts PUT (nginx with `dav_methods PUT`, any S3).",
    "507": "The server has no space left. Free some and run the same command; it continues.",
}
# obstore has a class for these; every other status stands only in the text of its GenericError.
_STATUS_OF_CLASS = {"UnauthenticatedError": "401", "PermissionDeniedError": "403", "AlreadyExistsError": "409"}


class Remote:
    """Files below an http, https or s3 URL; see prep.storage.storage.Storage.

    Raises StorageError for an invalid URL. A query (?token=...) is sent with every request and never shown.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        if not parts.netloc or parts.fragment:
            raise StorageError(
                f"{url}: not a URL of a folder. It looks like https://host/folder or s3://bucket/folder."
            )
        if "@" in parts.netloc:
            raise StorageError(f"{parts.scheme}: names and passwords in a URL are not sent. Leave them out.")
        self._query = parts.query
        self.url = url.removesuffix(f"?{parts.query}").rstrip("/")
        self._scheme = parts.scheme

    def __str__(self) -> str:
        return self.url

    def read(self, name: str, limit: int = LARGEST) -> bytes:
        """All bytes of one small file. Raises StorageError if it has more than `limit`."""
        with self._errors(f"reading {name}"):
            response = self._store.get(name)
            size = response.meta["size"]
            if size > limit:
                raise too_large(self, name, size, limit)
            return bytes(response.bytes())

    def read_all(self, limits: Mapping[str, int]) -> dict[str, bytes]:
        """All bytes of several small files, requested concurrently; absent ones are left out."""
        return self._concurrently(list(limits), lambda name: self.read(name, limits[name]))

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Sizes of several files in bytes; absent ones are left out."""

        def size(name: str) -> int:
            with self._errors(f"asking for the size of {name}"):
                return int(self._store.head(name)["size"])

        return self._concurrently(names, size)

    def stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """One file's bytes from `start` on, in pieces.

        obstore resumes a broken connection if the server sends an ETag. Otherwise this raises ConnectionLost, and the
        caller asks for the rest.
        """
        with self._errors(f"reading {name}"):
            options: Any = {"range": {"offset": start}} if start else {}
            for piece in self._store.get(name, options=options).stream(min_chunk_size=STREAM_CHUNK):
                yield bytes(piece)

    def write(self, name: str, content: bytes | Path) -> None:
        """Upload a file; S3 receives large files in parts of 5 MiB. Raises StorageError."""
        multipart = None if self._scheme == "s3" else False
        try:
            with self._errors(f"writing {name}"):
                self._store.put(name, content, use_multipart=multipart)
        except FileNotFoundError as error:
            raise StorageError(
                f"{self}: there is no such bucket or folder to write {name} to. Make it first."
            ) from error

    def check_ranges(self, name: str) -> None:
        """Raise StorageError unless byte ranges of the file `name` can be read."""
        with self._errors(f"reading {name}"):
            self._store.get_range(name, start=0, length=1)

    @property
    def backend(self) -> Any:
        """The obstore store."""
        return self._store

    @contextmanager
    def backend_errors(self) -> Iterator[None]:
        """Context that turns errors of `backend` into StorageError."""
        with self._errors("reading"):
            yield

    @cached_property
    def _store(self) -> Any:
        from obstore.store import HTTPStore, S3Store

        # A large file on a slow line may take hours, so only the waits within a request are limited.
        client: Any = {"allow_http": True, "timeout": "24h", "connect_timeout": "10s", "read_timeout": "60s"}
        retry: Any = {"max_retries": RETRIES}
        with self._errors("opening"):
            if self._scheme != "s3":
                query = f"?{self._query}" if self._query else ""
                return HTTPStore.from_url(self.url + query, client_options=client, retry_config=retry)
            parts = urlsplit(self.url)
            prefix = parts.path.strip("/") or None
            return S3Store(parts.netloc, prefix=prefix, client_options=client, retry_config=retry)

    def _concurrently(self, names: Sequence[str], request: Callable[[str], ValueT]) -> dict[str, ValueT]:
        def answer(name: str) -> tuple[str, ValueT] | None:
            try:
                return name, request(name)
            except FileNotFoundError:
                return None

        with ThreadPoolExecutor(CONCURRENT) as pool:
            return dict(item for item in pool.map(answer, names) if item is not None)

    @contextmanager
    def _errors(self, action: str) -> Iterator[None]:
        """Context that turns obstore's errors into StorageError; FileNotFoundError passes."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                bucket = urlsplit(self.url).netloc
                raise StorageError(f"{self}: there is no bucket {bucket}. Make it, or check its name.") from error
            raise
        except BaseError as error:
            raise self._error(error, action) from error

    def _error(self, error: Exception, action: str) -> StorageError:
        text = str(error)
        if "RangeNotSupported" in text:
            return StorageError(f"{self}: {_UNRANGED}")
        if "169.254.169.254" in text or "CredentialsNotLoaded" in text:
            keys = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket."
            return StorageError(f"{self}: no S3 credentials were found. {keys}")
        status = _status(error)
        if status:
            remedy = _REMEDIES.get(status, "Try again later, or ask whoever runs the server.")
            return StorageError(f"{self}: {action}: the server answered {status}. {remedy}")
        if "kind: Connect" in text:
            return StorageError(f"{self}: {action}: the server cannot be reached. Check the URL and the network.")
        if re.search(r"kind: (Interrupted|Timeout|Request|Decode)", text):
            again = "Run the same command; it continues."
            return ConnectionLost(f"{self}: {action}: the connection breaks again and again. {again}")
        first = text.partition("\n")[0]
        return StorageError(f"{self}: {action}: {first.replace(self._query, '...') if self._query else first}")


def _status(error: Exception) -> str:
    """The HTTP status behind an error of obstore, "" where there is none."""
    by_class = _STATUS_OF_CLASS.get(type(error).__name__, "")
    match = re.search(r"non-2xx status code: (\d+)", str(error))
    return by_class or (match[1] if match else "")

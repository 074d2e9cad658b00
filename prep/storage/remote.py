"""A place behind HTTP(S) or in S3, through obstore: several requests at once, broken ones taken up again.

S3 is found as every S3 program finds it: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL for
a server of one's own, AWS_SKIP_SIGNATURE=true for a bucket open to all. obstore reads these, not this file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from prep.storage.storage import ConnectionLost, StorageError

RETRIES = 7  # of one request, within 3 minutes, obstore waiting up to 0.1 s, 0.2 s, ... 6.4 s between them
ARRIVING = 2**16  # bytes handed on at once: what is held back is lost when the connection breaks
AT_ONCE = 16  # requests about small files
LARGEST = 64 * 2**20  # what is read whole: the mark of the largest data set has a few hundred kB
RECIPE = "recipe.json"
ValueT = TypeVar("ValueT")

_UNRANGED = (
    "the server ignores Range requests, so nothing can be read piece by piece or taken up again. Serve the files with "
    "one that does (nginx, Apache, any S3), or copy them whole: `fsprep pull --whole-files`."
)
_REMEDIES = {
    "401": "The server does not know you. For S3 check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.",
    "403": "You have no right to do this there, or there is nothing there. Ask its owner, or check the credentials.",
    "405": "The server takes no files. Choose one that accepts PUT (nginx with `dav_methods PUT`, any S3).",
    "409": "The server takes no files under this name. Check the path.",
    "413": "The server takes no files of this size. Raise its limit (nginx: `client_max_body_size 0`).",
    "416": "It has fewer bytes there than manifest.json says. Push the store again.",
    "501": "The server takes no files. Choose one that accepts PUT (nginx with `dav_methods PUT`, any S3).",
    "507": "There is no space left there. Free some and run the same command; it continues.",
}


class Remote:
    """Files below an http, https or s3 URL; see prep.storage.storage.Storage.

    Raises StorageError for a URL that cannot be one. A query (?token=...) goes along with every request, never shown.
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

    def read(self, name: str) -> bytes:
        """All bytes of one file, which must not be a large one."""

        def whole() -> bytes:
            found = self._store.get(name)
            if found.meta["size"] > LARGEST:
                size = found.meta["size"] / 1e6
                raise StorageError(f"{self}: {name} has {size:,.0f} MB, at most {LARGEST / 1e6:,.0f} can be right.")
            return bytes(found.bytes())

        with self._doing(f"reading {name}"):
            return whole()

    def read_all(self, names: Sequence[str]) -> dict[str, bytes]:
        """Several small files at once; absent ones are left out."""
        return self._at_once(names, self.read)

    def sizes(self, names: Sequence[str]) -> dict[str, int]:
        """Bytes of several files; absent ones are left out."""

        def size(name: str) -> int:
            with self._doing(f"looking at {name}"):
                return int(self._store.head(name)["size"])

        return self._at_once(names, size)

    def stream(self, name: str, start: int = 0) -> Iterator[bytes]:
        """One file's bytes from `start` on, piece by piece.

        A connection that breaks is taken up where it broke, by obstore or, where the server gives no ETag for that, by
        the caller. Raises ConnectionLost.
        """
        with self._doing(f"reading {name}"):
            options: Any = {"range": {"offset": start}} if start else {}
            for piece in self._store.get(name, options=options).stream(min_chunk_size=ARRIVING):
                yield bytes(piece)

    def write(self, name: str, content: bytes | Path) -> None:
        """Put a file; S3 takes large ones in parts of 5 MiB. Raises StorageError."""
        in_parts = None if self._scheme == "s3" else False
        try:
            with self._doing(f"writing {name}"):
                self._store.put(name, content, use_multipart=in_parts)
        except FileNotFoundError as error:
            raise StorageError(
                f"{self}: there is no such bucket or folder to write {name} to. Make it first."
            ) from error

    def check_ranges(self, name: str) -> None:
        """Raise StorageError unless pieces of the file `name` can be asked for."""
        with self._doing(f"reading {name}"):
            self._store.get_range(name, start=0, length=1)

    def absent(self) -> str:
        """What to tell the user when there is no store here."""
        if self.sizes([RECIPE]):
            return f"{self}: holds the recipe of a store, not a store. Make it from raw files: `fsprep rebuild {self}`."
        return f"{self}: no manifest.json there, so it is no store or not all of it was pushed. Check the URL."

    @property
    def handle(self) -> Any:
        """The obstore store."""
        return self._store

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Within it, what goes wrong with `handle` is a StorageError."""
        with self._doing("reading"):
            yield

    @cached_property
    def _store(self) -> Any:
        from obstore.store import HTTPStore, S3Store

        # No limit on the whole of a request, which may be a large file on a slow line; one on every wait within it.
        client: Any = {"allow_http": True, "timeout": "24h", "connect_timeout": "10s", "read_timeout": "60s"}
        retry: Any = {"max_retries": RETRIES}
        with self._doing("opening"):
            if self._scheme != "s3":
                query = f"?{self._query}" if self._query else ""
                return HTTPStore.from_url(self.url + query, client_options=client, retry_config=retry)
            parts = urlsplit(self.url)
            prefix = parts.path.strip("/") or None
            return S3Store(parts.netloc, prefix=prefix, client_options=client, retry_config=retry)

    def _at_once(self, names: Sequence[str], ask: Callable[[str], ValueT]) -> dict[str, ValueT]:
        def answer(name: str) -> tuple[str, ValueT] | None:
            try:
                return name, ask(name)
            except FileNotFoundError:
                return None

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return dict(found for found in pool.map(answer, names) if found is not None)

    @contextmanager
    def _doing(self, what: str) -> Iterator[None]:
        """obstore's errors as this project's: one line, the reason, the remedy. An absent file stays one."""
        from obstore.exceptions import BaseError

        try:
            yield
        except FileNotFoundError as error:
            if "NoSuchBucket" in str(error):
                bucket = urlsplit(self.url).netloc
                raise StorageError(f"{self}: there is no bucket {bucket}. Make it, or check its name.") from error
            raise
        except BaseError as error:
            raise self._told(error, what) from error

    def _told(self, error: Exception, what: str) -> StorageError:
        text = str(error)
        if "RangeNotSupported" in text:
            return StorageError(f"{self}: {_UNRANGED}")
        if "169.254.169.254" in text or "CredentialsNotLoaded" in text:
            keys = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for an open bucket."
            return StorageError(f"{self}: no S3 credentials were found. {keys}")
        status = re.search(r"non-2xx status code: (\d+)", text)
        if status:
            remedy = _REMEDIES.get(status[1], "Try again later, or ask whoever runs the server.")
            return StorageError(f"{self}: {what}: the server answered {status[1]}. {remedy}")
        if "kind: Connect" in text:
            return StorageError(f"{self}: {what}: the server cannot be reached. Check the URL and the network.")
        if re.search(r"kind: (Interrupted|Timeout|Request|Decode)", text):
            again = "Run the same command; it continues."
            return ConnectionLost(f"{self}: {what}: the connection breaks again and again. {again}")
        first = text.partition("\n")[0]
        return StorageError(f"{self}: {what}: {first.replace(self._query, '...') if self._query else first}")

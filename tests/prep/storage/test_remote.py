"""Reading remote stores: from nginx and S3, over connections that break, and from servers that refuse."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import obstore
import pytest
from helpers.servers import cut, nginx, s3, without_ranges
from helpers.stores import make_store

import prep.storage.remote
from episodes.pool import Pool
from prep.curate.verify import verify
from prep.sharing.push import push
from prep.storage.address import storage_at
from prep.storage.remote import _REMEDIES, _STATUS_OF_CLASS, Remote
from prep.storage.storage import ConnectionLost, StorageError
from prep.store.arrays import SMALL
from prep.store.manifest import MANIFEST, StoreError
from prep.store.read import open_store

SHARD = "joints/c/0/0/0/0"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_store(tmp_path_factory.mktemp("stores") / "whole.zarr", clips_per_class=8)


@pytest.fixture(scope="module")
def served(whole: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("web") / "www"
    with nginx(folder) as url:
        shutil.copytree(whole, folder / "s.zarr")
        yield url, folder


@pytest.fixture
def without_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prep.storage.remote, "RETRIES", 0)


def check_equal(url: str, whole: Path) -> None:
    """Every array of the remote store, and a pool of some clips, equal the local ones."""
    remote, local = open_store(url), open_store(whole)
    assert remote.digest == local.digest
    assert remote.names == local.names
    np.testing.assert_array_equal(remote.joints(), local.joints())
    pools = [Pool.load(store, keep=[3, 5, 40]) for store in (remote, local)]
    assert pools[0].joints.equal(pools[1].joints)
    assert sum(1 for _ in verify(remote)) == len(SMALL) + 1


def test_a_store_is_read_over_http(served: tuple[str, Path], whole: Path) -> None:
    check_equal(f"{served[0]}/s.zarr", whole)
    check_equal(f"{served[0]}/s.zarr/", whole)


def test_a_store_is_read_from_s3(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3(monkeypatch):
        list(push(open_store(whole), "s3://stores/deep/s.zarr"))
        check_equal("s3://stores/deep/s.zarr", whole)
        with pytest.raises(StoreError, match=r"s3://stores/none: no manifest\.json there"):
            open_store("s3://stores/none")
        with pytest.raises(StorageError, match="there is no bucket none. Make it, or check its name"):
            open_store("s3://none/s.zarr")


def test_reading_survives_a_connection_cut_three_times(served: tuple[str, Path], whole: Path) -> None:
    with cut(served[0], after=250_000) as (url, line):
        check_equal(f"{url}/s.zarr", whole)
        assert line.cuts == 3


def test_a_connection_that_stays_broken_is_explained(served: tuple[str, Path], without_retries: None) -> None:
    with cut(served[0], after=250_000, times=99) as (url, _):
        store = open_store(f"{url}/s.zarr")
        with pytest.raises(
            ConnectionLost, match=r"the connection breaks again and again. Run the same command; it continues"
        ):
            store.joints()
        with pytest.raises(ConnectionLost):
            list(Remote(f"{url}/s.zarr").stream(SHARD))


def test_a_server_without_ranges_is_refused(served: tuple[str, Path]) -> None:
    with (
        without_ranges(served[1]) as url,
        pytest.raises(StorageError, match="ignores Range requests.*nginx.*pull --whole-files"),
    ):
        open_store(f"{url}/s.zarr")


def test_a_damaged_shard_is_named(whole: Path, tmp_path: Path) -> None:
    with nginx(tmp_path / "www") as url:
        shard = Path(shutil.copytree(whole, tmp_path / "www" / "s.zarr")) / SHARD
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 0x10
        shard.write_bytes(content)
        with pytest.raises(StoreError, match="array `joints` is damaged .*checksum.* in joints/c/0"):
            open_store(f"{url}/s.zarr").joints()


def test_a_missing_shard_is_never_read_as_zeros(whole: Path, tmp_path: Path) -> None:
    with nginx(tmp_path / "www") as url:
        shard = Path(shutil.copytree(whole, tmp_path / "www" / "s.zarr")) / SHARD
        store = open_store(f"{url}/s.zarr")
        shard.unlink()
        with pytest.raises(StoreError, match=f"{SHARD} is gone"):
            store.joints()
        with pytest.raises(StoreError, match=f"{SHARD} is missing or not"):
            open_store(f"{url}/s.zarr")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("readonly/s.zarr", "writing x: the server answered 403. You have no permission"),
        ("private/s.zarr", "writing x: the server answered 401. The server rejects your credentials"),
        ("full/s.zarr", "writing x: the server answered 507. The server has no space left"),
    ],
)
def test_a_refused_upload_is_explained(served: tuple[str, Path], path: str, words: str, without_retries: None) -> None:
    with pytest.raises(StorageError, match=words):
        Remote(f"{served[0]}/{path}").write("x", b"content")


def test_a_server_without_put_is_explained(served: tuple[str, Path], without_retries: None) -> None:
    with (
        without_ranges(served[1]) as url,
        pytest.raises(StorageError, match="501. The server accepts no uploads"),
    ):
        Remote(url).write("x", b"content")


def test_an_unreachable_server_is_explained(without_retries: None) -> None:
    with pytest.raises(StorageError, match="http://127.0.0.1:9/s: reading manifest.json: the server cannot be reached"):
        open_store("http://127.0.0.1:9/s")


def test_a_file_that_is_read_whole_has_a_bound(served: tuple[str, Path]) -> None:
    with pytest.raises(StorageError, match=r"manifest\.json has .* bytes, at most 1,000 are read"):
        Remote(f"{served[0]}/s.zarr").read(MANIFEST, 1000)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http:///s", "not a URL of a folder"),
        ("https://host/s#part", "not a URL of a folder"),
        ("https://me:secret@host/s", "names and passwords in a URL are not sent"),
        ("ftp://host/s", "`ftp` is not a scheme for stores. Use a path, file, http, https or s3"),
    ],
)
def test_invalid_urls_are_refused(url: str, words: str) -> None:
    with pytest.raises(StorageError, match=words) as caught:
        storage_at(url)
    assert "secret" not in str(caught.value)


def test_a_token_is_sent_and_never_shown(served: tuple[str, Path], whole: Path) -> None:
    remote = open_store(f"{served[0]}/s.zarr?token=secret")
    assert remote.digest == open_store(whole).digest
    assert "secret" not in remote.path
    log = (served[1].with_name("www.nginx") / "access.log").read_text()
    assert "/s.zarr/zarr.json?token=secret" in log


class Answer(BaseHTTPRequestHandler):
    """Answers every request with the status that its URL names."""

    def do_GET(self) -> None:
        self.send_response(int(self.path.split("/")[1]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_PUT(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture(scope="module")
def answers() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("status", [401, 403, 405, 409, 413, 416, 418, 500, 501, 507])
def test_every_status_is_named_with_a_remedy(answers: str, status: int, without_retries: None) -> None:
    remedy = _REMEDIES.get(str(status), "Try again later, or ask whoever runs the server.")
    with pytest.raises(StorageError) as caught:
        Remote(f"{answers}/{status}").write("x", b"content")
    assert str(caught.value) == f"{answers}/{status}: writing x: the server answered {status}. {remedy}"


def test_the_classes_of_obstore_that_name_a_status_exist() -> None:
    assert all(issubclass(getattr(obstore.exceptions, name), obstore.exceptions.BaseError) for name in _STATUS_OF_CLASS)


def test_opening_a_store_takes_few_requests(served: tuple[str, Path]) -> None:
    log = served[1].with_name("www.nginx") / "access.log"
    before = log.read_text().count("/s.zarr/joints/")
    open_store(f"{served[0]}/s.zarr")
    # The header is read and its size checked; no byte of a shard is read.
    assert "GET /s.zarr/joints/c/" not in "".join(log.read_text().splitlines(keepends=True)[-80:])
    assert log.read_text().count("/s.zarr/joints/") - before <= 3

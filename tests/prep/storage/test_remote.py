"""Reading stores where they lie: nginx and S3, through lines that break, and servers that cannot or must not."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.servers import cut, nginx, s3, without_ranges
from helpers.stores import make_store

import prep.storage.remote
from episodes.pool import Pool
from prep.curate.verify import verify
from prep.sharing.push import push
from prep.storage.address import storage_at as place
from prep.storage.remote import Remote
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
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prep.storage.remote, "RETRIES", 0)


def fetched(url: str, whole: Path) -> None:
    """Every array as in the folder, the pool too."""
    afar, here = open_store(url), open_store(whole)
    assert afar.digest == here.digest
    assert afar.names == here.names
    np.testing.assert_array_equal(afar.joints(), here.joints())
    pools = [Pool.load(store, keep=[3, 5, 40]) for store in (afar, here)]
    assert pools[0].joints.equal(pools[1].joints)
    assert sum(1 for _ in verify(afar)) == len(SMALL) + 1


def test_a_store_is_read_over_http(served: tuple[str, Path], whole: Path) -> None:
    fetched(f"{served[0]}/s.zarr", whole)
    fetched(f"{served[0]}/s.zarr/", whole)


def test_a_store_is_read_from_s3(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with s3(monkeypatch):
        list(push(open_store(whole), "s3://stores/deep/s.zarr"))
        fetched("s3://stores/deep/s.zarr", whole)
        with pytest.raises(StoreError, match=r"s3://stores/none: no manifest\.json there"):
            open_store("s3://stores/none")
        with pytest.raises(StorageError, match="there is no bucket none. Make it, or check its name"):
            open_store("s3://none/s.zarr")


def test_reading_survives_a_connection_cut_three_times(served: tuple[str, Path], whole: Path) -> None:
    with cut(served[0], after=250_000) as (url, line):
        fetched(f"{url}/s.zarr", whole)
        assert line.cuts == 3


def test_a_connection_that_stays_broken_is_told(served: tuple[str, Path], impatient: None) -> None:
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
        ("readonly/s.zarr", "writing x: the server answered 403. You have no right"),
        ("private/s.zarr", "writing x: the server answered 401. The server does not know you"),
        ("full/s.zarr", "writing x: the server answered 507. There is no space left there"),
    ],
)
def test_a_place_that_takes_nothing_says_why(served: tuple[str, Path], path: str, words: str, impatient: None) -> None:
    with pytest.raises(StorageError, match=words):
        Remote(f"{served[0]}/{path}").write("x", b"content")


def test_a_server_that_knows_no_put_is_told(served: tuple[str, Path], impatient: None) -> None:
    with without_ranges(served[1]) as url, pytest.raises(StorageError, match="answered 501. The server takes no files"):
        Remote(url).write("x", b"content")


def test_a_server_out_of_reach_is_told(impatient: None) -> None:
    with pytest.raises(StorageError, match="http://127.0.0.1:9/s: reading manifest.json: the server cannot be reached"):
        open_store("http://127.0.0.1:9/s")


def test_what_is_read_whole_has_a_bound(served: tuple[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prep.storage.remote, "LARGEST", 1000)
    with pytest.raises(StorageError, match=r"manifest\.json has .* MB, at most"):
        Remote(f"{served[0]}/s.zarr").read(MANIFEST)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http:///s", "not a URL of a folder"),
        ("https://host/s#part", "not a URL of a folder"),
        ("https://me:secret@host/s", "names and passwords in a URL are not sent"),
        ("ftp://host/s", "`ftp` is not a scheme for stores. Use a path, file, http, https or s3"),
    ],
)
def test_strange_urls_are_refused(url: str, words: str) -> None:
    with pytest.raises(StorageError, match=words) as caught:
        place(url)
    assert "secret" not in str(caught.value)


def test_a_token_goes_along_and_is_not_shown(served: tuple[str, Path], whole: Path) -> None:
    afar = open_store(f"{served[0]}/s.zarr?token=secret")
    assert afar.digest == open_store(whole).digest
    assert "secret" not in afar.path
    log = (served[1].with_name("www.nginx") / "access.log").read_text()
    assert "/s.zarr/zarr.json?token=secret" in log
